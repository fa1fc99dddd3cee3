"""`data export`: a release as documents for training, in files that `datasets` loads.

Two passes. The first reads the shards of the release row group by row group, prepares rows (prepare.py) and routes each by its hash to
spill files; the second gathers the rows of one output, lays out its documents (layout.py) and writes them lot by lot (outputs.py).
Memory is that of a few lots whatever the release's size; the disk holds its text once more while this runs. Every output depends on the
release and the options alone, so a run that was killed keeps what it finished and ends with the same bytes.

A folder is an export of one release as it was: with other options, or after the release was updated or purged, it is refused and
`anew` makes it again. Validation files come from the validation split alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stack_data import manifest, memory, storage
from stack_data.errors import InputError, StaleBuildError
from stack_data.export import card, layout, outputs, prepare
from stack_data.export.options import FORMATS, Options
from stack_data.export.released import Release, open_release
from stack_data.manifest import PLAN_KEY, Manifest, Output, Plan
from stack_data.progress import Progress, Silent

KIND = "export"
RULE_VERSION = 1
_BEGUN = ".export.json"
"""The plan of an export that is under way: says that a folder without manifest is ours."""
_POINTER = ".release"
"""Where the release lies, seen from the folder, for `verify`; part of no output."""


@dataclass(frozen=True, slots=True)
class Export:
    """A finished export. made: False when it was already there."""

    folder: Path
    counts: Mapping[str, Any]
    made: bool


def export(
    release: Path, folder: Path, options: Options, *, anew: bool = False, workers: int | None = None,
    progress: Progress | None = None,
) -> Export:  # fmt: skip
    """Write the documents of a release into a folder.

    anew: replace an export of something else in that folder. Raises ConfigError for options that do not go together, InputError when
    the release is none or damaged or the folder holds other files, StaleBuildError when it holds another export.
    """
    options = options.resolved()
    opened = open_release(release)
    if release.resolve() in folder.resolve().parents:
        raise InputError(
            f"{folder} lies inside the release, which would no longer be as its manifest says; name another folder"
        )
    plan = _plan(opened, options)
    with storage.locked(folder):
        done = _found(folder, plan, anew)
        if done is not None:
            return Export(folder, done.counts, made=False)
        work = _Work(opened, folder, options, plan, workers or os.cpu_count() or 1, progress or Silent())
        counts = work.run()
        return Export(folder, counts, made=True)


def _plan(release: Release, options: Options) -> Plan:
    form = FORMATS[options.format]
    rules = {
        "export": RULE_VERSION,
        "prepare": prepare.RULE_VERSION,
        options.format: form.RULE_VERSION,
        "layout": layout.RULE_VERSION,
    }
    return Plan(kind=KIND, inputs=release.inputs, config=options.to_json(), rules=rules)


def _found(folder: Path, plan: Plan, anew: bool) -> Manifest | None:
    """Return the manifest of an export that is what is asked for; make room for it otherwise, or refuse."""
    made = manifest.read_if_present(folder / "manifest.json")
    if made is not None:
        if made.plan.get("kind") != KIND:
            raise InputError(f"{folder} is no export but a {made.plan.get('kind')}; name another folder")
        differences = stale(made, plan)
        if not differences:
            return made
        if not anew:
            shown = "; ".join(differences[:3]) + (f"; and {len(differences) - 3} more" if len(differences) > 3 else "")
            raise StaleBuildError(
                f"{folder} holds an export that would come out otherwise now ({shown}). To replace it, add: --anew; or name another "
                "folder"
            )
        _clear(folder, made.outputs)
    elif not (folder / _BEGUN).exists():
        others = sorted({path.name for path in folder.iterdir()} - {storage.LOCK_NAME})
        if others:
            raise InputError(f"{folder} holds files that are no export, such as {others[0]}; name another folder")
    elif storage.read_json(folder / _BEGUN) != plan.to_json():
        # It was never finished, so nobody can hold it to be anything.
        _clear(folder, [path.name for path in folder.glob("*.parquet")])
    return None


def stale(made: Manifest, plan: Plan) -> list[str]:
    """Return in words what an export was made from or with that is not so any more."""
    old, new = dict(made.plan), plan.to_json()
    found = []
    if old["inputs"] != new["inputs"]:
        same = old["inputs"].get("manifest.json") == new["inputs"]["manifest.json"]
        found.append("files were taken out of the release since" if same else "it was made from another release")
    keys = ("config", "rules", "writer")
    return found + manifest.differences({key: old.get(key) for key in keys}, {key: new[key] for key in keys})


def _clear(folder: Path, names: Sequence[str] | Mapping[str, Output]) -> None:
    """Delete an export's files, its manifest first, so that what is left is not taken for whole."""
    for name in ("manifest.json", *names, _BEGUN):
        with contextlib.suppress(FileNotFoundError):
            (folder / name).unlink()


@dataclass(slots=True)
class _Work:
    """One export that is made."""

    release: Release
    folder: Path
    options: Options
    plan: Plan
    workers: int
    progress: Progress
    totals: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)

    def run(self) -> dict[str, Any]:
        """Make the export; return its counts."""
        storage.remove_temporaries(self.folder)
        storage.write_json(self.folder / _BEGUN, self.plan.to_json())
        spill = self.folder / ".spill"
        shutil.rmtree(spill, ignore_errors=True)
        storage.make_folder(spill)
        names = self._outputs()
        digest = self.plan.digest()
        missing = {name for name in names if (storage.read_metadata(self.folder / name) or {}).get(PLAN_KEY) != digest}
        try:
            self.progress.begin("export", len(missing), None)
            spilled = self._spill(spill, names, missing)
            self._each(
                lambda name: outputs.write_output(
                    self.folder / name, spilled[name], self.options, {PLAN_KEY: digest}, self.progress.advance
                ),
                sorted(missing),
            )
            self.progress.end()
        finally:
            shutil.rmtree(spill, ignore_errors=True)
            memory.give_back()
        return self._finish(names)

    def _each(self, work: Any, items: Sequence[Any]) -> list[Any]:
        with ThreadPoolExecutor(self.workers, thread_name_prefix="export") as pool:
            return list(pool.map(work, items))

    def _outputs(self) -> list[str]:
        """Return the names of all outputs; how many there are follows from the bytes of the release alone."""
        names = []
        for split in sorted({one.split for one in self.release.shards}):
            sizes = [one.num_bytes for one in self.release.shards if one.split == split]
            count = max(1, -(-sum(sizes) // self.options.shard_bytes))
            names += [f"{split}-{number:05d}-of-{count:05d}.parquet" for number in range(count)]
        return names

    def _spill(self, spill: Path, names: Sequence[str], missing: set[str]) -> dict[str, list[outputs.Spilled]]:
        """Route all rows to spill files, those of missing outputs alone; return where each output's rows lie."""
        by_split = defaultdict(list)
        for name in names:
            by_split[name.partition("-")[0]].append(name)
        found: dict[str, list[outputs.Spilled]] = defaultdict(list)
        numbered = list(enumerate(self.release.shards))
        for places, left_out, counted in self._each(
            lambda one: self._route(spill / f"{one[0]}.arrow", one[1], by_split[one[1].split], missing), numbered
        ):
            for name, where in places:
                found[name].append(where)
            self.left_out.update(left_out)
            self.totals.update(counted)
        return found

    def _route(
        self, path: Path, shard: Any, names: Sequence[str], missing: set[str]
    ) -> tuple[list[tuple[str, outputs.Spilled]], Counter[str], Counter[str]]:
        places: list[tuple[str, outputs.Spilled]] = []
        left_out, counted = Counter[str](), Counter[str]()
        try:
            with pa.ipc.new_file(path, prepare.PREPARED) as writer:
                for group in shard.row_groups(prepare.READ):
                    prepared = prepare.prepare(group, self.options)
                    rows = prepared.rows
                    left_out += prepared.left_out
                    counted.update(_told(rows, shard.split))
                    number = (rows["key"].to_numpy() % np.uint64(len(names))).astype(np.int64)
                    for one in np.unique(number).tolist():
                        if names[one] in missing:
                            mine = rows.take(pa.array(np.flatnonzero(number == one))).combine_chunks()
                            writer.write_batch(mine.to_batches()[0])
                            places.append((names[one], outputs.Spilled(path, len(places))))
                    self.progress.advance(0, int(pc.sum(pc.binary_length(group["content"])).as_py() or 0))
        except OSError as error:
            raise storage.refused(path, error) from error
        return places, left_out, counted

    def _finish(self, names: Sequence[str]) -> dict[str, Any]:
        """Write card and manifest, unless the release changed while it was read."""
        if open_release(self.release.folder).inputs != self.release.inputs:
            raise StaleBuildError(
                f"{self.release.folder} was changed while it was exported; run the same command again"
            )
        documents = {name: storage.num_rows(self.folder / name) for name in names}
        counts = {
            "documents": _of_splits(documents), "files": _of_splits({name: self.totals[f"{name}.files"] for name in ("train", "validation")}),
            "bytes": _of_splits({name: self.totals[f"{name}.bytes"] for name in ("train", "validation")}),
            "kinds": {one: self.totals[one] for one in ("file", "notebook", "commit") if self.totals[one]},
            "left_out": dict(sorted(self.left_out.items())), "release": self.release.told,
        }  # fmt: skip
        storage.write_text(self.folder / "README.md", card.card(self.release, self.options, counts, names))
        listed = {name: Output.of(self.folder / name, "text") for name in names}
        listed["README.md"] = Output.of(self.folder / "README.md", "none")
        storage.write_text(
            self.folder / _POINTER, os.path.relpath(self.release.folder.resolve(), self.folder.resolve()) + "\n"
        )
        Manifest(self.plan.to_json(), listed, counts).write(self.folder / "manifest.json")
        (self.folder / _BEGUN).unlink()
        return counts


def _told(rows: pa.Table, split: str) -> dict[str, int]:
    """Return what is counted of rows."""
    kinds = {one["values"]: one["counts"] for one in rows["kind"].value_counts().to_pylist()}
    size = int(pc.sum(pc.binary_length(rows["text"])).as_py() or 0)
    return {f"{split}.files": rows.num_rows, f"{split}.bytes": size, **kinds}


def _of_splits(numbers: Mapping[str, int]) -> dict[str, int]:
    """Return sums by split; a split without any is left out."""
    sums: Counter[str] = Counter()
    for name, number in numbers.items():
        sums[name.partition("-")[0]] += number
    return {split: number for split, number in sorted(sums.items()) if number}


def problems(folder: Path) -> list[str]:
    """Return what is wrong with an export: missing, changed or foreign files, and a release that has changed since.

    The release is looked for where it was when the export was made; an export that was carried elsewhere is checked by itself.
    """
    made = manifest.read(folder / "manifest.json")
    found = [
        f"{folder / name}: {'is not as the manifest says' if (folder / name).is_file() else 'missing'}"
        for name, output in made.outputs.items()
        if not (folder / name).is_file() or storage.sha256_file(folder / name) != output.sha256
    ]
    names = {path.name for path in folder.iterdir() if not path.name.startswith(".")} - {*made.outputs, "manifest.json"}
    found += [f"{folder / name}: not in the manifest" for name in sorted(names)]
    pointer = folder / _POINTER
    release = folder / pointer.read_text(encoding="utf-8").strip() if pointer.is_file() else None
    if release is not None and (release / "manifest.json").is_file():
        with contextlib.suppress(json.JSONDecodeError):
            current = dict(open_release(release).inputs)
            if current != dict(made.plan["inputs"]):
                again = f"fairstack data export {release.resolve()} {folder} --anew with the same options"
                found.append(f"{folder}: the release has changed since it was exported; make the export again: {again}")
    return found
