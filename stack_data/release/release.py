"""The release step: from the fold to a folder that stands on its own.

Writes data/, provenance/, notices/ (sharded alike), NOTICE/, ledger/, README.md, croissant.json and, last,
manifest.json, whose SHA-256 is the release's identity. Two passes keep memory flat: each part's rows are routed to
spill files by shard, then each shard is gathered, put in hash order and written. A killed release is made again from
its start and comes out with the same bytes; a finished one is skipped, or refused when it would differ.
"""

from __future__ import annotations

import re
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stack_data import manifest, storage
from stack_data.errors import InputError, StaleBuildError
from stack_data.fold import Fold
from stack_data.id_columns import content_hash
from stack_data.licenses import expressions
from stack_data.manifest import Manifest, Output, Plan
from stack_data.pipeline import DECIDING, Run
from stack_data.release import card, croissant, notices
from stack_data.release.places import places_of
from stack_data.release.rows import rows_of_part
from stack_data.release.shards import RULE_VERSION as SHARD_RULES
from stack_data.release.shards import Assignment, assign
from stack_data.release.sources import ReleaseRows, select
from stack_data.release.tables import DATA, LEDGER, NOTICES

RULE_VERSION = 2
LEDGER_ROWS = 1_000_000
"""Rows per ledger file."""


SPILL = pa.schema(
    [
        *DATA,
        pa.field("kept", pa.int64()),
        pa.field("copyrights", NOTICES.field("copyrights").type),
        pa.field("group", pa.string()),
        pa.field("verdict", pa.int32()),
    ]
)
"""A data row with its row of the fold and what its notice is made from."""


@dataclass(frozen=True, slots=True)
class Spilled:
    """Where a part's rows for one shard lie: spill file and batch number."""

    path: Path
    batch: int


def plan_of(run: Run) -> Plan:
    """Return what determines a release: every decision manifest, the fetched files, the release's configuration."""
    paths = [run.build.group_manifest(group.name) for group in run.lock.groups]
    paths += [run.build.stage_manifest(step) for step in DECIDING]
    config = run.config.release.model_dump(mode="json") | {
        "name": run.config.name, "date": run.lock.date, "places": run.config.license.places,
    }  # fmt: skip
    return Plan(
        kind=f"release/{run.config.release.version}",
        inputs={run.build.relative(path): storage.sha256_file(path) for path in paths},
        config=config, rules={"release": RULE_VERSION, "shards": SHARD_RULES},
    )  # fmt: skip


def release(run: Run, fold: Fold) -> Path:
    """Make the release the configuration names and return its folder.

    Raises StaleBuildError when that version exists and would come out differently.
    """
    folder = run.build.release(run.config.release.version)
    plan = plan_of(run)
    old = manifest.read_if_present(folder / "manifest.json")
    if old is not None:
        if dict(old.plan) == plan.to_json():
            _check_sizes(folder, old)
            return folder
        found = list(dict.fromkeys(map(_in_words, manifest.differences(old.plan, plan.to_json()))))
        raise StaleBuildError(
            f"release {run.config.release.version} exists and would now differ ({'; '.join(found[:2])}); a release never "
            f"changes: name another version, e.g. --set release.version={_next(run.config.release.version)}"
        )
    shutil.rmtree(folder, ignore_errors=True)
    rows = select(run.build, fold, run.config.release.audience, [group.name for group in run.lock.groups])
    if rows.kept.num_rows == 0:
        known = sorted({one["audience"] for one in rows.repositories})
        raise InputError(
            f"nothing to release: no file is kept for audience {run.config.release.audience!r}; this build has {', '.join(known)}"
        )
    # A near duplicate holds a file in its own split too: what is trained on is never nearly validated on.
    contents = np.concatenate([rows.place_content, rows.near_content])
    repositories = np.concatenate([rows.place_repository, rows.near_repository])
    assignment = assign(rows.kept, contents, repositories, rows.keys(), run.config.release)
    _Writer(run, fold, rows, assignment, folder).write(plan)
    return folder


def _check_sizes(folder: Path, made: Manifest) -> None:
    """Raise InputError when a file of a release is missing or of another size; `verify` reads every byte."""
    for name, output in made.outputs.items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != output.num_bytes:
            state = "changed" if path.is_file() else "missing"
            raise InputError(f"{path} is {state}, so this release is damaged; delete {folder} and make it again")


def _in_words(difference: str) -> str:
    """Return a difference of plans as what it means: which step decided otherwise, which source has other files."""
    step = re.match(r"(?:inputs\.)?decisions/(\w+)/manifest\.json changed", difference)
    source = re.match(r"(?:inputs\.)?files/(.+?)(?:-\d+)?\.manifest\.json(?: changed|: )", difference)
    return (
        f"the {step[1]} step decided otherwise"
        if step
        else f"source {source[1]} has other files"
        if source
        else difference
    )


def _next(version: str) -> str:
    major = int(version.split(".")[0])
    return f"{major + 1}.0.0"


class _Contents:
    """The contents of a shard as chunks of mapped spill files, and the order in which the shard has them."""

    def __init__(self, chunks: list[pa.Array], order: npt.NDArray[np.uint64]) -> None:
        self.chunks = chunks
        self.starts = np.cumsum([0, *map(len, chunks)])
        self.order = order.astype(np.int64)

    def take(self, begin: int, end: int) -> pa.Array:
        """Return the contents at places begin to end of the order; only they are copied, never a whole chunk."""
        rows = self.order[begin:end]
        chunk = np.searchsorted(self.starts, rows, side="right") - 1
        by_chunk = np.argsort(chunk, kind="stable")
        taken = [
            self.chunks[number].take(pa.array(rows[chunk == number] - self.starts[number]))
            for number in np.unique(chunk).tolist()
        ]
        return pa.concat_arrays(taken).take(pa.array(np.argsort(by_chunk)))


class _Writer:
    """Writes one release. `write` is the order of its outputs."""

    def __init__(self, run: Run, fold: Fold, rows: ReleaseRows, assignment: Assignment, folder: Path) -> None:
        self.run, self.fold, self.rows, self.assignment, self.folder = run, fold, rows, assignment, folder
        self.spill = folder / ".spill"
        self.spilled: dict[int, list[Spilled]] = defaultdict(list)
        self.outputs: dict[str, Output] = {}
        self.group_rows = run.config.release.row_group_rows
        groups = [group.name for group in run.lock.groups]
        self.notice_texts = notices.texts_by_verdict(run.build, groups)
        # Each kept content's displayed place is the first of its places.
        first = np.unique(rows.place_content, return_index=True)[1]
        self.repository_rows = rows.place_repository[first]

    def write(self, plan: Plan) -> None:
        """Write everything, the manifest last."""
        kept = self.rows.kept
        parts = kept["part"].combine_chunks()
        codes = parts.indices.to_numpy(zero_copy_only=False)
        present = np.unique(codes).tolist()
        shards = range(len(self.assignment.shards))
        sizes = kept["text_bytes"].to_numpy()
        # Every text is moved twice: to the spill files, and from there to its shard.
        self.run.progress.begin("release", len(present) + len(shards), 2 * int(sizes.sum()))
        self.spill.mkdir(parents=True, exist_ok=True)
        for spilled in self.run.each(
            lambda code: self._spill(parts.dictionary[code].as_py(), np.flatnonzero(codes == code)), present
        ):
            for shard, where in spilled:
                self.spilled[shard].append(where)
        used = self.run.each(self._write_shard, shards)
        self._write_notices(used)
        self._write_ledger()
        shutil.rmtree(self.spill)
        self._write_documents(plan)
        Manifest(plan.to_json(), self.outputs, self._counts()).write(self.folder / "manifest.json")
        self.run.end_step()

    def _spill(self, part: str, rows: npt.NDArray[np.int64]) -> list[tuple[int, Spilled]]:
        """Write a part's rows to its spill file, in batches of one shard each."""
        kept = self.rows.kept.take(pa.array(rows))
        path = self.spill / f"{part}.arrow"
        found: list[tuple[int, Spilled]] = []
        read = rows_of_part(self.run.build, part, kept, self.rows.repositories, self.repository_rows[rows])
        with pa.ipc.new_file(path, SPILL) as writer:
            for chosen, data, notice in read:
                joined = data.append_column("kept", pa.array(rows[chosen], pa.int64()))
                for name in ("copyrights", "group", "verdict"):
                    joined = joined.append_column(name, notice[name])
                joined = joined.cast(SPILL)
                shard = self.assignment.shard[rows[chosen]]
                for number in np.unique(shard).tolist():
                    of_shard = joined.take(pa.array(np.flatnonzero(shard == number))).combine_chunks()
                    writer.write_batch(of_shard.to_batches()[0])
                    found.append((number, Spilled(path, len(found))))
        self.run.progress.advance(1, int(pc.sum(kept["text_bytes"]).as_py()))
        return found

    def _gather(self, number: int) -> tuple[pa.Table, _Contents]:
        """Return a shard's rows in hash order, without contents, and its contents, which stay in the spill files."""
        batches = []
        for where in self.spilled[number]:
            with pa.memory_map(str(where.path)) as source:
                batches.append(pa.ipc.open_file(source).get_batch(where.batch))
        # A shard that no hash falls into is written all the same, without rows: the count is part of the names.
        table = pa.Table.from_batches(batches, SPILL)
        keys = pa.table({"key": self.assignment.key[table["kept"].to_numpy()], "content_id": table["content_id"]})
        order = pc.sort_indices(keys, [("key", "ascending"), ("content_id", "ascending")])
        return table.drop_columns("content").take(order), _Contents(table["content"].chunks, order.to_numpy())

    def _write_shard(self, number: int) -> set[tuple[str, int, int]]:
        """Write one shard of data/, provenance/ and notices/; return its (group, verdict, repository) triples."""
        shard = self.assignment.shards[number]
        table, contents = self._gather(number)
        self._save_all(f"data/{shard.name}", DATA, self._data_of(table, contents), "text")
        kept = table["kept"].to_numpy()
        self._save(f"provenance/{shard.name}", places_of(self.run.build, self.rows, kept), "none")
        groups, verdicts = table["group"].to_pylist(), table["verdict"].to_pylist()
        hashes = [[one.sha256 for one in self.notice_texts.get(key, ())] for key in zip(groups, verdicts, strict=True)]
        notice = pa.table(
            {
                "content_id": table["content_id"],
                "copyrights": table["copyrights"],
                "texts": pa.array(hashes, NOTICES.field("texts").type),
            }
        ).cast(NOTICES)
        self._save(f"notices/{shard.name}", notice, "text")
        self.run.progress.advance(1, int(pc.sum(table["length_bytes"]).as_py() or 0))
        return set(zip(groups, verdicts, self.repository_rows[kept].tolist(), strict=True))

    def _data_of(self, table: pa.Table, contents: _Contents) -> Iterator[pa.Table]:
        """Yield the data rows of a shard, as many at a time as a row group has, so that texts are copied in small lots."""
        for start in range(0, table.num_rows, self.group_rows):
            rows = table.slice(start, self.group_rows)
            rows = rows.append_column("content", contents.take(start, start + rows.num_rows))
            yield rows.select(DATA.names).cast(DATA)

    def _save(self, name: str, table: pa.Table, holds: str) -> None:
        """Write a table as a file of the release."""
        self._save_all(name, table.schema, [table], holds)

    def _save_all(self, name: str, schema: pa.Schema, tables: Iterable[pa.Table], holds: str) -> None:
        """Write tables of one schema, one after the other, as a file of the release."""
        path = self.folder / name
        # A release is written once and read often: a higher level than inside the build.
        with storage.writing_parquet(path, schema, None, self.group_rows, compression_level=3) as part:
            for table in tables:
                part.write(table)
        self.outputs[name] = Output.of(path, holds)

    def _write_notices(self, used: Iterable[set[tuple[str, int, int]]]) -> None:
        triples = set().union(*used)
        shown = {(group, verdict) for group, verdict, _ in triples}
        texts = [one for key in sorted(shown) for one in self.notice_texts.get(key, ())]
        self._save("notices/texts.parquet", notices.texts_table(texts), "text")
        by_repository: dict[int, dict[str, notices.NoticeText]] = defaultdict(dict)
        for group, verdict, repository in sorted(triples):
            for one in self.notice_texts.get((group, verdict), ()):
                by_repository[repository].setdefault(one.sha256, one)
        lines = self._copyrights_by_repository()
        stated = self._ids_by_repository()
        for repository in sorted({row for _, _, row in triples}):
            facts = self.rows.repositories[repository]
            name = Path("NOTICE") / notices.notice_path(facts)
            own = sorted(by_repository[repository].values(), key=lambda one: (one.path, one.sha256))
            standard = notices.standard_texts(stated[repository], own)
            text = notices.notice_file(facts, own, lines.get(repository, ()), standard)
            storage.write_text(self.folder / name, text, durable=False)
            self.outputs[name.as_posix()] = Output.of(self.folder / name, "text")

    def _copyrights_by_repository(self) -> dict[int, set[str]]:
        lines: dict[int, set[str]] = defaultdict(set)
        for path in sorted(self.spill.glob("*.arrow")):
            with pa.memory_map(str(path)) as source:
                table = pa.ipc.open_file(source).read_all().select(["kept", "copyrights"])
                repositories = self.repository_rows[table["kept"].to_numpy()]
                for repository, found in zip(repositories.tolist(), table["copyrights"].to_pylist(), strict=True):
                    lines[repository].update(found)
        return lines

    def _ids_by_repository(self) -> dict[int, set[str]]:
        """Return the licence ids that each repository's displayed files stand under."""
        found: dict[int, set[str]] = defaultdict(set)
        pairs = pa.table({"repository": pa.array(self.repository_rows), "expression": self.rows.kept["expression"]})
        for row in pairs.group_by(["repository", "expression"]).aggregate([]).to_pylist():
            found[row["repository"]].update(expressions.ids(row["expression"]))
        return found

    def _write_ledger(self) -> None:
        dropped = self.fold.dropped
        count = max(1, -(-dropped.num_rows // LEDGER_ROWS))
        keys = content_hash(dropped["content_id"], self.run.config.release.seed)
        table = dropped.select(LEDGER.names).cast(LEDGER)
        for number in range(count):
            rows = np.flatnonzero(keys % np.uint64(count) == number)
            chosen = table.take(pa.array(rows))
            ordered = chosen.take(pc.sort_indices(chosen, [("content_id", "ascending")]))
            self._save(f"ledger/dropped-{number:05d}-of-{count:05d}.parquet", ordered, "none")

    def _write_documents(self, plan: Plan) -> None:
        facts = card.facts_of(self.run.config, self.run.lock.date, self.fold, self.rows, self.assignment)
        for name, text in (
            ("README.md", card.card(facts)),
            ("croissant.json", croissant.croissant(facts, self.outputs)),
        ):
            storage.write_text(self.folder / name, text)
            self.outputs[name] = Output.of(self.folder / name, "none")

    def _counts(self) -> dict[str, object]:
        kept = self.rows.kept
        return {
            "files": kept.num_rows, "bytes": int(kept["num_bytes"].to_numpy().sum()),
            "places": self.rows.places.num_rows, "p": self.assignment.p,
            "shards": {f"{shard.slug}/{shard.split}": shard.count for shard in self.assignment.shards},
            "reasons": {one.reason: {"files": one.num_files, "bytes": one.num_bytes} for one in self.fold.attrition},
        }  # fmt: skip
