"""Benchmarks: what is shipped, files of one's own, data sets through `datasets`, and decisions."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stack_data.config import DecontaminationConfig
from stack_data.decontamination import hub
from stack_data.decontamination.benchmarks import MIN_PATTERN_BYTES, Benchmarks, load, make_benchmarks
from stack_data.decontamination.containment import fold
from stack_data.decontamination.items import docstrings, infilling, read_items, shipped_humaneval
from stack_data.decontamination.report import found_items, text_of
from stack_data.errors import InputError
from stack_data.reasons import Reason
from stack_data.records import DECONTAMINATION_DECISIONS
from stack_data.stages.decontamination import decide


@pytest.fixture(scope="module")
def shipped() -> Benchmarks:
    return load(DecontaminationConfig(), Path())


def part_of(item: str, part: str) -> str:
    return next(text for one in shipped_humaneval() if one.item == item for name, text in one.parts if name == part)


def rows_of(benchmarks: Benchmarks, *texts: str | None) -> list[dict[str, object]]:
    ids = pa.array([f"{number:040x}" for number in range(len(texts))])
    table = decide(ids, pa.array(texts, pa.large_string()), benchmarks)
    assert table.schema == DECONTAMINATION_DECISIONS
    assert table["content_id"].to_pylist() == ids.to_pylist()
    rows: list[dict[str, object]] = table.to_pylist()
    return rows


def test_humaneval_is_shipped_whole(shipped: Benchmarks) -> None:
    items = shipped_humaneval()
    assert [item.item for item in items] == [f"HumanEval/{number}" for number in range(164)]
    assert all({part for part, _ in item.parts} == {"prompt", "docstring", "solution"} for item in items)
    # The seven solutions of fewer than 8 tokens are too short to be found in other people's code.
    assert [one.item for one in shipped.unchecked] == [f"HumanEval/{number}" for number in (2, 23, 27, 28, 41, 45, 53)]
    assert all(one.num_tokens < 8 for one in shipped.unchecked)


def test_the_pieces_of_infilling_are_runs_of_lines() -> None:
    item = shipped_humaneval()[0]
    pieces = {piece.item: piece.parts[0][1] for piece in infilling([item])}
    lines = dict(item.parts)["solution"].split("\n")
    assert pieces["MultiLineInfilling/HumanEval/0/L0_L1"] == "\n".join(lines[:2])
    assert len(pieces) == 7 * 8 // 2 - 1  # seven written lines; the whole is HumanEval's
    assert "MultiLineInfilling/HumanEval/0/L0_L7" not in pieces


def test_a_content_with_a_solution_is_dropped_and_says_where(shipped: Benchmarks) -> None:
    """The smallest example of "benchmark_found"."""
    solution = part_of("HumanEval/0", "solution")
    kept, asked_not, first, other = rows_of(
        shipped, "def f(x):\n    return x\n", None, f"# a\r\ndef f(numbers, threshold):\n{solution}", solution.replace("idx", "i").replace("elem", "e")
    )  # fmt: skip
    assert (kept["action"], kept["reason"], kept["found"]) == ("keep", None, [])
    assert (asked_not["action"], asked_not["found"]) == ("keep", None)
    assert (first["action"], first["reason"]) == ("drop", Reason.BENCHMARK_FOUND.value)
    assert first["detail"] == "humaneval HumanEval/0 solution (verbatim)"
    assert first["found"] == [
        {"benchmark": "humaneval", "item": "HumanEval/0", "part": "solution", "how": "verbatim", "line": 3}
    ]
    assert other["detail"] == "humaneval HumanEval/0 solution (renamed)"


def test_prompts_docstrings_and_descriptions_are_found_whatever_their_space_and_case(shipped: Benchmarks) -> None:
    prompt = part_of("HumanEval/10", "prompt")
    description = docstrings(prompt)[-1]
    assert ">>>" not in description
    rows = rows_of(
        shipped, json.dumps({"prompt": prompt}), f"Task: {description.upper()}", re.sub(r"\s+", "\n\n", prompt)
    )
    assert [row["action"] for row in rows] == ["drop"] * 3
    parts = [{(one["part"], one["how"]) for one in row["found"]} for row in rows]  # type: ignore[attr-defined]
    both = {("prompt", "reformatted"), ("docstring", "reformatted")}
    assert parts == [both, {("docstring", "reformatted")}, both]


def test_of_the_pieces_of_one_solution_the_longest_is_named_and_none_beside_the_whole(shipped: Benchmarks) -> None:
    lines = part_of("HumanEval/129", "solution").split("\n")
    whole, piece = rows_of(shipped, "\n".join(lines), "\n".join(lines[:11]))
    assert {one["benchmark"] for one in whole["found"]} == {"humaneval"}  # type: ignore[attr-defined]
    assert [one["item"] for one in piece["found"]] == ["MultiLineInfilling/HumanEval/129/L0_L10"]  # type: ignore[attr-defined]


def test_how_a_batch_is_cut_changes_nothing(shipped: Benchmarks) -> None:
    texts = [part_of(f"HumanEval/{number}", "solution") for number in range(20)] * 2 + ["x = 1\n" * 900_000, None]
    whole = rows_of(shipped, *texts)
    for first in range(0, 40, 7):
        part = rows_of(shipped, *texts[first : first + 7])
        assert [row["found"] for row in part] == [row["found"] for row in whole[first : first + 7]]
    assert [row["action"] for row in whole[-2:]] == ["keep", "keep"]
    assert rows_of(shipped) == []


def write(path: Path, *rows: object) -> Path:
    text = "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows)
    path.write_text(text, encoding="utf-8")
    return path


OWN = {
    "task_id": "mine/1", "prompt": "def both(a, b):\n    \"\"\"Return the sum of all the squares of both of them.\n    >>> both(1, 2)\n    5\n    \"\"\"\n",
    "canonical_solution": "    return sum(value * value for value in (a, b))\n", "test": "ignored",
}  # fmt: skip


def test_a_file_of_ones_own_is_read_relative_to_the_configuration(tmp_path: Path) -> None:
    write(
        tmp_path / "own.jsonl",
        OWN,
        "",
        {"id": 2, "question": "How many apples has Ada when she gives ten of thirty away?"},
    )
    (tmp_path / "packed.jsonl.gz").write_bytes(gzip.compress(json.dumps({**OWN, "benchmark": "named"}).encode()))
    config = DecontaminationConfig(benchmarks=(), files=("own.jsonl", "packed.jsonl.gz"))
    benchmarks = load(config, tmp_path)
    (row,) = rows_of(
        benchmarks, OWN["canonical_solution"] + "# how many apples has Ada\n when she gives ten of thirty AWAY?\n"
    )
    found = {(one["benchmark"], one["item"], one["part"], one["line"]) for one in row["found"]}  # type: ignore[attr-defined]
    assert found == {("own", "mine/1", "solution", 1), ("named", "mine/1", "solution", 1), ("own", "2", "question", 2)}
    again = load(config, tmp_path)
    assert again.digest == benchmarks.digest
    assert load(config.model_copy(update={"min_tokens": 20}), tmp_path).digest != benchmarks.digest
    write(tmp_path / "own.jsonl", {**OWN, "task_id": "mine/2"})
    assert load(config, tmp_path).digest != benchmarks.digest


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("{", "own.jsonl:2: this line is not JSON"), ("[1]", "own.jsonl:2: this line is list, not a JSON object"),
        ({"prompt": "x"}, 'own.jsonl:2: "task_id" is missing'), ({"task_id": True, "prompt": "x"}, '"task_id" is missing or no name'),
        ({"task_id": "a", "test": "x"}, "own.jsonl:2: item 'a' has none of the fields prompt, docstring"),
        ({"task_id": "a", "prompt": " \n"}, "none of the fields"), ({"task_id": "a", "prompt": 3}, 'own.jsonl:2: "prompt" is int, not text'),
        ({"task_id": "a", "language": "Klingon", "solution": "x"}, "own.jsonl:2: \"language\" 'Klingon' is no Linguist language"),
        (OWN, "own.jsonl:2: task_id 'mine/1' stood on line 1 already"),
        ({"task_id": "a", "language": 3, "prompt": "x"}, '"language" is int'), ('{"task_id": "a", "prompt": "\\ud800"}', "half of a surrogate pair"),
    ],
)  # fmt: skip
def test_a_line_that_cannot_be_used_is_named(tmp_path: Path, row: object, expected: str) -> None:
    write(tmp_path / "own.jsonl", OWN, row)
    with pytest.raises(InputError, match=re.escape(expected)) as caught:
        load(DecontaminationConfig(benchmarks=(), files=("own.jsonl",)), tmp_path)
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("\n")
    (tmp_path / "bytes.jsonl").write_bytes(b'{"task_id": "a", "prompt": "x"}\n\xff')
    (tmp_path / "plain.jsonl.gz").write_text('{"task_id": "a", "prompt": "x"}')
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(b"x" * 100)[:20])
    for name, expected in (
        ("none.jsonl", "cannot be read"), ("empty.jsonl", "has no items"), ("bytes.jsonl", "bytes.jsonl:2: the benchmark file is not UTF-8"),
        ("cut.jsonl.gz", "cannot be read"), ("plain.jsonl.gz", "named .gz and is no gzip file"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=expected):
            read_items(tmp_path / name)


def test_a_data_set_is_read_through_datasets(tmp_path: Path) -> None:
    rows = [
        {
            "task_id": 7,
            "text": "Write a function to add the elements of two given lists one by one.",
            "code": "def add(a, b):\n  return [x + y for x, y in zip(a, b)]",
        }
    ]
    folder = tmp_path / "mbpp"
    folder.mkdir()
    pq.write_table(pa.Table.from_pylist(rows), folder / "test-00000-of-00001.parquet")
    preset = hub.Preset(str(folder), ((None, "Python"),), ("test",), hub.PRESETS["mbpp"].columns)
    items = hub.load_items("mbpp", preset, tmp_path / "cache")
    assert [(item.item, item.language) for item in items] == [("7", "Python")]
    (row,) = rows_of(
        make_benchmarks(items), "def add(one, two):\n    return [x+y for (x, y) in zip(one, two)]\n" + rows[0]["code"]
    )
    assert row["detail"] == "mbpp 7 solution (verbatim)"
    missing = hub.Preset(str(folder), ((None, "Python"),), ("test",), (("prompt", "nothing"),))
    with pytest.raises(InputError, match="has no column 'nothing'; it has: task_id, text, code"):
        hub.load_items("mbpp", missing, tmp_path / "cache")
    with pytest.raises(InputError, match="'mbpp' cannot be loaded from"):
        hub.load_items("mbpp", hub.Preset(str(folder), ((None, "Python"),), ("train",), ()), tmp_path / "cache")


def test_a_benchmark_that_cannot_be_downloaded_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets
    import huggingface_hub.constants

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    with pytest.raises(
        InputError, match="Load it once while online, or take it out of decontamination.benchmarks"
    ) as caught:
        load(DecontaminationConfig(benchmarks=("gsm8k",)), tmp_path, tmp_path)
    assert "\n" not in str(caught.value)


def test_the_report_names_items_in_order_and_what_is_unchecked(shipped: Benchmarks) -> None:
    texts = [part_of(f"HumanEval/{number}", "solution") for number in (10, 3)]
    ids = pa.array(["b" * 40, "a" * 40])
    rows = found_items(
        [decide(ids, pa.array(texts, pa.large_string()), shipped), DECONTAMINATION_DECISIONS.empty_table()]
    )
    assert [(row.item, row.part, row.content_id) for row in rows] == [
        ("HumanEval/3", "solution", "a" * 40), ("HumanEval/10", "solution", "b" * 40),
    ]  # fmt: skip
    lines = text_of(rows, shipped.unchecked).split("\n")
    assert lines[0] == "humaneval: 2 items in 2 contents"
    assert lines[1] == f"  HumanEval/3 solution (verbatim): {'a' * 40} line 1"
    assert lines[-1].startswith("Too short to be looked for")
    assert text_of([], []) == "No item of a benchmark was found."


def test_folded_patterns_below_the_limit_are_left_to_tokens(shipped: Benchmarks) -> None:
    assert all(len(fold(part.text)) >= MIN_PATTERN_BYTES for part in shipped.contained)
    assert "Checks if given string is a palindrome" not in {part.text.strip() for part in shipped.contained}
