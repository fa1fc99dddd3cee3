"""The stage that leaves out what repositories reserve: places and topics in, decisions in their order out."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from stack_data.reasons import Reason
from stack_data.records import DECISION_FIELDS
from stack_data.signals import is_signal_file
from stack_data.stages import signal


def places(rows: Sequence[tuple[int, str, str | None]], topics: Sequence[list[str] | None]) -> signal.Places:
    """Return places of (repository, path, text); None: never read."""
    texts = [text for *_, text in rows]
    provenance = pa.table(
        {
            "content_id": pa.array([f"{number:040x}" for number in range(len(rows))], pa.string()),
            "file_part": pa.array(
                [-1 if text is None else number % 2 for number, text in enumerate(texts)], pa.int32()
            ),
            "file_row": pa.array([-1 if text is None else number for number, text in enumerate(texts)], pa.int32()),
            "repository": pa.array([repository for repository, *_ in rows], pa.int32()),
            "path": pa.array([path for _, path, _ in rows], pa.string()),
        }
    )
    repositories = pa.table({"topics": pa.array(list(topics), pa.list_(pa.string()))})
    asked: list[tuple[int, int]] = []

    def read_texts(cells: Sequence[tuple[int, int]]) -> list[str | None]:
        asked.extend(cells)
        assert len(asked) == len(set(asked)), "each text is read once"
        assert all(is_signal_file(rows[row][1]) for _, row in cells), "only signal files are read"
        return [texts[row] for _, row in cells]

    return signal.Places(provenance, repositories, read_texts)


def test_a_place_that_its_repository_reserves_is_dropped() -> None:
    rows = [
        (0, "src/a.c", "a"), (1, "src/a.c", "a"), (0, ".gitattributes", "src/* ai-training=false"), (0, "b.c", "b"),
        (2, "b.c", "b"), (3, "a.c", None), (4, ".github/ai-opt-out", None), (4, "deep/a.c", "a"),
        (1, "x/.gitattributes", "*.c text"), (5, "a.c", "a"),
    ]  # fmt: skip
    table = signal.decide(places(rows, [[], None, ["noai"], ["x"], [], []]))
    assert table.schema == pa.schema(DECISION_FIELDS)
    drop = ("drop", Reason.RESERVED_IN_REPOSITORY.value)
    keep = ("keep", None, None)
    told = zip(table["action"].to_pylist(), table["reason"].to_pylist(), table["detail"].to_pylist(), strict=True)
    assert list(told) == [
        (*drop, ".gitattributes: ai-training=false"), keep, keep, keep, (*drop, "topic noai"), keep,
        (*drop, ".github/ai-opt-out: opt-out"), (*drop, ".github/ai-opt-out: opt-out"), keep, keep,
    ]  # fmt: skip
    assert table["content_id"].to_pylist() == [f"{number:040x}" for number in range(len(rows))]


def test_places_in_many_chunks_are_decided_in_their_order() -> None:
    rows = [(number % 3, f"{number}.c", "x") for number in range(20)] + [(1, "ai-opt-out", "true")]
    whole = places(rows, [[]] * 3)
    pieces = pa.concat_tables([whole.provenance.slice(first, 4) for first in range(0, len(rows), 4)])
    chunked = signal.Places(pieces, whole.repositories.drop_columns("topics"), whole.read_texts)
    actions = signal.decide(chunked)["action"].to_pylist()
    assert actions == ["drop" if repository == 1 else "keep" for repository, *_ in rows]


def test_a_group_without_places_has_no_decisions() -> None:
    assert signal.decide(places([], [])).num_rows == 0
