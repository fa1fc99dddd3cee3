"""Writes the files of one release: shards of data, provenance and notices, NOTICE/, ledger, Merkle trees and documents.

Two passes keep memory flat: each part's rows are routed to spill files by shard, then each shard is gathered, put in hash order and
written. A shard that is the parent's, row by row, gets a second name instead, and rows that another shard has in common with the
parent's are read from there (common_rows.py). Everything that is not a shard is made from the shards as they lie there and from the
fold, so that both ways end in the same bytes.
"""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stack_data import merkle, storage
from stack_data.chunks import Chunks
from stack_data.fold import Fold
from stack_data.id_columns import content_hash
from stack_data.identity import fold_name
from stack_data.manifest import Manifest, Output, Plan
from stack_data.pipeline import Run
from stack_data.reasons import LEAVING
from stack_data.registry import epochs
from stack_data.release import card, croissant, notices
from stack_data.release.common_rows import Common, common_rows
from stack_data.release.eu_summary import Honoured, eu_summary, eu_summary_text
from stack_data.release.parent import RELEASED, Parent, fingerprints
from stack_data.release.places import places_of
from stack_data.release.rows import rows_of_part
from stack_data.release.shards import Assignment
from stack_data.release.sources import ReleaseRows
from stack_data.release.tables import DATA, LEDGER, NOTICES

LEDGER_ROWS = 1_000_000
"""Rows per ledger file."""

SIGNALS = (
    ".github/ai-opt-out", ".gitattributes (ai-training)", ".ai-preferences (train-ai)", "TDMRep (tdmrep.json)", "topics of the host",
)  # fmt: skip
"""The signals in repositories that were read (docs/signals.md)."""

SHARDED = ("data", "provenance", "notices")


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


class Writer:
    """Writes one release. `write` is the order of its outputs."""

    def __init__(self, run: Run, fold: Fold, rows: ReleaseRows, assignment: Assignment, folder: Path) -> None:
        self.run, self.fold, self.rows, self.assignment, self.folder = run, fold, rows, assignment, folder
        self.spill = folder / ".spill"
        self.spilled: dict[int, list[Spilled]] = defaultdict(list)
        self.outputs: dict[str, Output] = {}
        self.parent: Parent | None = None
        self.common = np.zeros(rows.kept.num_rows, bool)
        self.group_rows = run.config.release.row_group_rows
        groups = [group.name for group in run.lock.groups]
        pii = run.config.pii
        found = notices.texts_by_verdict(run.build, groups, pii.placeholders if pii.enabled else None)
        self.texts = {one.sha256: one for texts in found.values() for one in texts}
        self.text_hashes = {key: [one.sha256 for one in texts] for key, texts in found.items()}
        # Each kept content's displayed place is the first of its places.
        first = np.unique(rows.place_content, return_index=True)[1]
        self.repository_rows = rows.place_repository[first]

    def released(self) -> pa.Table:
        """Return what the release is made of, row by row (RELEASED)."""
        kept = self.rows.kept
        names = pa.array([shard.name for shard in self.assignment.shards], pa.string())
        prints = content_hash(kept["content_id"], 1) if kept.num_rows else np.empty(0, np.uint64)
        with np.errstate(over="ignore"):
            prints = prints + fingerprints(self.rows.places, self.rows.place_content, kept.num_rows, 1)
            prints = prints + fingerprints(self.rows.beside, self.rows.beside_content, kept.num_rows, 2)
        shard = pa.DictionaryArray.from_arrays(pa.array(self.assignment.shard, pa.int32()), names)
        return pa.table([kept["content_id"], shard, prints, kept["text_bytes"]], names=RELEASED.names).cast(RELEASED)

    def write(self, plan: Plan, parent: Parent | None, changes: dict[str, Any], same: Collection[str]) -> None:
        """Write everything, the manifest last.

        same: names of shards that are the parent's, row by row; where there is none, nothing is taken from the parent.
        """
        linked = [number for number, shard in enumerate(self.assignment.shards) if shard.name in same]
        made = sorted(set(range(len(self.assignment.shards))) - set(linked))
        if parent and same:
            self.parent = parent
            self.common = common_rows(parent, self.released(), {self.assignment.shards[number].name for number in made})
        self._write_shards(made)
        if parent:
            for number in linked:
                self._link(self.assignment.shards[number].name, parent)
        shutil.rmtree(self.spill)
        names = [shard.name for shard in self.assignment.shards]
        trees = self._write_about_places(names)
        for path, text in notices.notice_files(self.folder, names):
            self._save_text(path.as_posix(), text, "text", durable=False)
        self._write_ledger()
        self._write_documents(changes)
        storage.write_parquet(self.run.build.released(self.run.config.release.version), self.released())
        counts = self._counts() | {"merkle": trees, "changes": changes}
        Manifest(plan.to_json(), self.outputs, counts).write(self.folder / "manifest.json")
        self.run.end_step()

    def _write_shards(self, shards: list[int]) -> None:
        """Write the shards with these numbers."""
        parts = self.rows.kept["part"].combine_chunks()
        chosen = np.isin(self.assignment.shard, shards)
        sizes = self.rows.kept["text_bytes"].to_numpy()
        anew = chosen & ~self.common
        codes = np.where(anew, parts.indices.to_numpy(zero_copy_only=False), -1)
        present = np.unique(codes[anew]).tolist()
        # A text that is made anew is moved twice: to the spill files, and from there to its shard.
        total = int(sizes[chosen].sum() + sizes[anew].sum())
        self.run.progress.begin("release", len(present) + len(shards), total)
        storage.make_folder(self.spill)
        for spilled in self.run.each(
            lambda code: self._spill(parts.dictionary[code].as_py(), np.flatnonzero(codes == code)), present
        ):
            for shard, where in spilled:
                self.spilled[shard].append(where)
        self.run.each(self._write_shard, shards)

    def _link(self, name: str, parent: Parent) -> None:
        """Take a shard over from the parent; its bytes are those that would be written."""
        for folder in SHARDED:
            file = f"{folder}/{name}"
            storage.link(parent.folder / file, self.folder / file)
            self.outputs[file] = parent.outputs[file]

    def _spill(self, part: str, rows: npt.NDArray[np.int64]) -> list[tuple[int, Spilled]]:
        """Write a part's rows to its spill file, in batches of one shard each."""
        kept = self.rows.kept.take(pa.array(rows))
        path = self.spill / f"{part}.arrow"
        found: list[tuple[int, Spilled]] = []
        read = rows_of_part(
            self.run.build,
            part,
            kept,
            self.rows.repositories,
            self.repository_rows[rows],
            self.run.config.pii.placeholders,
        )
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

    def _gather(self, number: int) -> tuple[pa.Table, Chunks]:
        """Return a shard's rows in hash order, with `spilled` in place of contents: where each lies in the spill files, and these."""
        batches = []
        for where in self.spilled[number]:
            with pa.memory_map(str(where.path)) as source:
                batches.append(pa.ipc.open_file(source).get_batch(where.batch))
        # A shard that no hash falls into is written all the same, without rows: the count is part of the names.
        table = pa.Table.from_batches(batches, SPILL)
        order = self._order(table["kept"].to_numpy(), table["content_id"])
        contents = Chunks(table["content"].chunks, pa.large_string())
        return table.drop_columns("content").take(order).append_column("spilled", order), contents

    def _write_shard(self, number: int) -> None:
        """Write one shard of data/, provenance/ and notices/."""
        shard = self.assignment.shards[number]
        table, contents = self._gather(number)
        common = self._common(number)
        rows = (
            common.data(lambda begin, end: self._data_of(table, contents, begin, end))
            if common
            else self._all_data(table, contents)
        )
        self._save_all(f"data/{shard.name}", DATA, rows, "text")
        places = places_of(self.run.build, self.rows, table["kept"].to_numpy(), self.text_hashes)
        places = common.table("provenance", "released_content_id", places) if common else places
        self._save(f"provenance/{shard.name}", places, "none")
        notice = self._notices_of(table)
        notice = common.table("notices", "content_id", notice) if common else notice
        self._save(f"notices/{shard.name}", notice, "text")
        of_shard = self.assignment.shard == number
        self.run.progress.advance(1, int(self.rows.kept["text_bytes"].to_numpy()[of_shard].sum()))

    def _common(self, number: int) -> Common | None:
        """Return what a shard has in common with the parent's; None without anything."""
        rows = np.flatnonzero(self.assignment.shard == number)
        if self.parent is None or not self.common[rows].any():
            return None
        ids = self.rows.kept["content_id"].take(pa.array(rows)).combine_chunks()
        order = self._order(rows, ids)
        return Common(
            self.parent, self.assignment.shards[number].name, ids.take(order), self.common[rows[order.to_numpy()]]
        )

    def _order(self, rows: npt.NDArray[np.int64], ids: pa.Array | pa.ChunkedArray) -> pa.Array:
        """Return the order of kept contents inside a shard: by hash, then by id."""
        keys = pa.table({"key": self.assignment.key[rows], "content_id": ids})
        return pc.sort_indices(keys, [("key", "ascending"), ("content_id", "ascending")])

    def _notices_of(self, table: pa.Table) -> pa.Table:
        keys = zip(table["group"].to_pylist(), table["verdict"].to_pylist(), strict=True)
        columns = {
            "content_id": table["content_id"], "copyrights": table["copyrights"],
            "texts": pa.array([self.text_hashes.get(key, []) for key in keys], NOTICES.field("texts").type),
        }  # fmt: skip
        return pa.table(columns).cast(NOTICES)

    def _all_data(self, table: pa.Table, contents: Chunks) -> Iterator[pa.Table]:
        """Yield the data rows of a shard, as many at a time as a row group has, so that texts are copied in small lots."""
        for start in range(0, table.num_rows, self.group_rows):
            yield self._data_of(table, contents, start, min(start + self.group_rows, table.num_rows))

    @staticmethod
    def _data_of(table: pa.Table, contents: Chunks, begin: int, end: int) -> pa.Table:
        if begin == end:
            return DATA.empty_table()
        rows = table.slice(begin, end - begin)
        rows = rows.append_column("content", contents.take(rows["spilled"].to_numpy().astype(np.int64)))
        return rows.select(DATA.names).cast(DATA)

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

    def _save_text(self, name: str, text: str, holds: str, durable: bool = True) -> None:
        storage.write_text(self.folder / name, text, durable)
        self.outputs[name] = Output.of(self.folder / name, holds)

    def _write_about_places(self, shards: list[str]) -> dict[str, dict[str, Any]]:
        """Write the licence texts of all places and the Merkle trees; return the trees' sizes and roots."""
        hashes, names = [pa.array([], pa.string())], []
        for shard in shards:
            table = storage.read_parquet(self.folder / "provenance" / shard, ["host", "owner", "repo", "texts"])
            hashes.append(pc.list_flatten(table["texts"]).combine_chunks().unique())
            names.append(table.select(["host", "owner", "repo"]).group_by(["host", "owner", "repo"]).aggregate([]))
        used = pa.concat_arrays(hashes).unique().to_pylist()
        self._save("notices/texts.parquet", notices.texts_table([self.texts[one] for one in used]), "text")
        places = pa.concat_tables(names).group_by(["host", "owner", "repo"]).aggregate([]).to_pylist()
        folded = ["/".join(fold_name(one[key]) for key in ("host", "owner", "repo")) for one in places]
        ids = merkle.build_contents(self.folder / "merkle", self.rows.kept["content_id"])
        heads = {"contents": ids, "names": merkle.build_names(self.folder / "merkle", folded)}
        for path in sorted((self.folder / "merkle").iterdir()):
            self.outputs[f"merkle/{path.name}"] = Output.of(path, "none")
        return {name: {"size": head.size, "root": head.root} for name, head in heads.items()}

    def _write_ledger(self) -> None:
        """Write what was dropped, and of what left only how much."""
        left = pa.array([reason.value for reason in LEAVING])
        dropped = self.fold.dropped.filter(pc.invert(pc.is_in(self.fold.dropped["reason"].cast(pa.string()), left)))
        count = max(1, -(-dropped.num_rows // LEDGER_ROWS))
        keys = content_hash(dropped["content_id"], self.run.config.release.seed)
        table = dropped.select(LEDGER.names).cast(LEDGER)
        for number in range(count):
            rows = np.flatnonzero(keys % np.uint64(count) == number)
            chosen = table.take(pa.array(rows))
            ordered = chosen.take(pc.sort_indices(chosen, [("content_id", "ascending")]))
            self._save(f"ledger/dropped-{number:05d}-of-{count:05d}.parquet", ordered, "none")
        told = json.dumps({"lists": epochs(self.run.lists), **self.fold.departures.to_json()}, indent=1, sort_keys=True)
        self._save_text("ledger/opt-outs.json", told + "\n", "none")

    def _write_documents(self, changes: dict[str, Any]) -> None:
        facts = card.facts_of(self.run, self.fold, self.rows, self.assignment, changes)
        review = facts.review.sentence() if facts.review else ""
        summary = eu_summary(facts, self.rows, Honoured(SIGNALS, facts.last_check, facts.measures.taken(), review))
        self._save_text("eu-summary.json", json.dumps(summary, ensure_ascii=False, indent=1) + "\n", "none")
        self._save_text("eu-summary.md", eu_summary_text(summary), "none")
        self._save_text("README.md", card.card(facts), "none")
        self._save_text("croissant.json", croissant.croissant(facts, self.outputs), "none")

    def _counts(self) -> dict[str, Any]:
        kept = self.rows.kept
        return {
            "files": kept.num_rows, "bytes": int(kept["num_bytes"].to_numpy().sum()),
            "places": self.rows.places.num_rows, "p": self.assignment.p,
            "shards": {f"{shard.slug}/{shard.split}": shard.count for shard in self.assignment.shards},
            "reasons": {one.reason: {"files": one.num_files, "bytes": one.num_bytes} for one in self.fold.attrition},
        }  # fmt: skip
