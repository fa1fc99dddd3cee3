"""`data build --dry-run`: what a build will need and keep, told from a sample of its sources. Nothing of it stays.

Some units of each source are drawn by a hash of their names until the sample's bytes are reached; of a unit that is larger
than that and lists its entries before reading them, a share of the entries is drawn by their paths, and always the files
that licences are judged by. The sample is then built for real in a temporary folder, and each source's numbers are scaled
by what it has to what was read of it. Time is that of this machine with as many workers, tables and kernels loaded.

What it cannot know: duplicates between the sample and the rest, so it keeps too much; archives and data sets have no
listing, so their units count alike whatever their size, and a data set of one unit is told by what was read of it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import resource
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from stack_data import manifest, storage
from stack_data.build import check_config, run_steps
from stack_data.config import BuildConfig
from stack_data.decide import load_everything
from stack_data.errors import InputError
from stack_data.fold import Attrition, Fold
from stack_data.licenses.files import kind_of
from stack_data.lock import Group, Lock
from stack_data.pipeline import Run, listed_bytes, start, workers_of
from stack_data.progress import Progress, Silent
from stack_data.reasons import BY_VALUE, Reason
from stack_data.release.release import release
from stack_data.signals import is_signal_file
from stack_data.sources import kinds
from stack_data.sources.source import Sample, SourceContext, Unit, UnitReading

SAMPLE_BYTES = 64 * 1024**2
BASE_BYTES, PART_SHARE, PLACE_BYTES = 350_000_000, 4.0, 4000
"""Memory of tables and kernels, of each worker in parts, and of each place (`python bench/growth.py`)."""
PREFIX = ".dry-run-"
SMALLER = 4
"""How many times smaller the first of the two samples is."""
_UNREAD = (Reason.NOT_SAMPLED, Reason.OVER_CAP)
_KNOWN_UNREAD = (Reason.TOO_LARGE, Reason.SYMLINK, Reason.SUBMODULE, Reason.SPECIAL_FILE)
"""What a listing tells without a sample."""


@dataclass(frozen=True, slots=True)
class SourceEstimate:
    """What is expected of one source: its units, those that were read, and how many times their bytes it has."""

    name: str
    num_units: int
    sampled_units: int
    factor: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a build is expected to need and to keep. entries, kept: files and bytes; seconds by step.

    disk      bytes of the finished build, and the most it needs beside that while it runs
    memory    bytes resident at the peak
    """

    sources: tuple[SourceEstimate, ...]
    entries: tuple[int, int]
    attrition: tuple[Attrition, ...]
    kept: tuple[int, int]
    seconds: dict[str, float]
    disk: tuple[int, int]
    memory: int
    workers: int
    sample_bytes: int
    failures: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the estimate as plain JSON values, named as those of a build."""
        return {
            "sources": [dataclasses.asdict(one) for one in self.sources],
            "entries": self.entries[0], "entry_bytes": self.entries[1], "kept": self.kept[0], "kept_bytes": self.kept[1],
            "attrition": [
                {"stage": one.stage, "reason": one.reason, "files": one.num_files, "bytes": one.num_bytes}
                for one in self.attrition
            ],
            "seconds": self.seconds, "disk_bytes": self.disk[0], "scratch_bytes": self.disk[1], "memory_bytes": self.memory,
            "workers": self.workers, "sample_bytes": self.sample_bytes, "failures": self.failures,
        }  # fmt: skip


def dry_run(
    config: BuildConfig, config_folder: Path, sample_bytes: int = SAMPLE_BYTES, progress: Progress | None = None
) -> Estimate:
    """Estimate a build from about `sample_bytes` of its sources. Raises what `build` raises."""
    check_config(config, config_folder)
    builds = Path(config.run.builds)
    storage.make_folder(builds)
    load_everything()
    _remove_stale(builds)
    with tempfile.TemporaryDirectory(dir=builds, prefix=PREFIX) as scratch, storage.locked(Path(scratch)):
        # Two samples tell what grows with the bytes and what every build costs alike.
        units: dict[str, list[Unit]] = {}
        trials = [
            _Trial(config, config_folder, Path(scratch) / str(size), size, units, progress)
            for size in (sample_bytes // SMALLER, sample_bytes)
        ]
        smaller, larger = (trial.build() for trial in trials)
        return larger.estimate(_line(smaller, larger))


def _remove_stale(builds: Path) -> None:
    """Delete what dry runs that were killed left behind: nobody holds their folders any more."""
    for folder in builds.glob(f"{PREFIX}*"):
        with contextlib.suppress(InputError), storage.locked(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _line(smaller: _Trial, larger: _Trial) -> Callable[[float], dict[str, float]]:
    """Return the seconds of each step as a function of the bytes of text: a straight line through two trials."""
    less, more = smaller.text_bytes, larger.text_bytes

    def seconds(text_bytes: float) -> dict[str, float]:
        found = {}
        for step, late in larger.timed.seconds.items():
            early = min(smaller.timed.seconds.get(step, 0.0), late)
            whole = late / max(more, 1)
            slope = (late - early) / (more - less) if more > less else whole
            # Two short runs beside other work: at least half of a step grows with the bytes, at most all of it. In a sample
            # much smaller than usual nearly all is start-up, and nothing can be said of the least.
            slope = min(max(slope, 0.5 * whole * min(1.0, more / (SAMPLE_BYTES / 4))), whole)
            found[step] = late + slope * max(text_bytes - more, 0.0)
        return found

    return seconds


class _Timed:
    """Progress that is passed on, with the seconds of each step kept."""

    def __init__(self, shown: Progress) -> None:
        self.shown, self.seconds = shown, dict[str, float]()

    def begin(self, step: str, num_items: int | None, num_bytes: int | None) -> None:
        """Start the clock."""
        self._step, self._started = step, time.perf_counter()
        self.shown.begin(step, num_items, num_bytes)

    def advance(self, num_items: int, num_bytes: int) -> None:
        """Pass on."""
        self.shown.advance(num_items, num_bytes)

    def end(self) -> None:
        """Stop the clock."""
        self.seconds[self._step] = time.perf_counter() - self._started
        self.shown.end()

    def close(self) -> None:
        """Pass on."""
        self.shown.close()


class _Trial:
    """A build of a sample in a scratch folder. `units`: those of each source, asked for once and shared by all trials."""

    def __init__(
        self, config: BuildConfig, config_folder: Path, scratch: Path, sample_bytes: int, units: dict[str, list[Unit]],
        progress: Progress | None,
    ) -> None:  # fmt: skip
        self.folder = scratch / config.name
        self.all = units
        self.config, self.config_folder = config, config_folder
        self.share = max(sample_bytes // len(config.sources), 1)
        self.timed = _Timed(progress or Silent())
        self.run = self._start()

    def _start(self) -> Run:
        today = self.config.date.isoformat() if self.config.date else time.strftime("%Y-%m-%d", time.gmtime())
        context = SourceContext(self.folder / "cache", self.config_folder, self.config.limits, today, os.environ)

        def resolve(source: Any) -> list[Unit]:
            if source.name not in self.all:
                self.all[source.name] = kinds.resolve(source, context)
            return self._drawn(source.name)

        limits = self.config.limits.model_copy(
            update={"max_unit_bytes": min(8 * self.share, self.config.limits.max_unit_bytes)}
        )
        config = self.config.model_copy(update={"limits": limits})
        return start(
            config, self.config_folder, self.folder, resolver=resolve, secrets=os.environ, today=today, progress=self.timed
        )  # fmt: skip

    def _drawn(self, source: str) -> list[Unit]:
        """Return units of a source, in their order, that together have about the sample's bytes, and those that failed."""
        order = sorted(_sound(self.all[source]), key=_draw)
        chosen = {unit.key for unit in self.all[source] if "failed" in unit.locked}
        size = 0
        for unit in order:
            if size >= self.share:
                break
            chosen.add(unit.key)
            size += _size_of(unit) or self.share // 16
        return [unit for unit in self.all[source] if unit.key in chosen]

    def build(self) -> _Trial:
        """Build the sample."""
        sample = Sample(self.share, _is_evidence)

        def read(kind: str, unit: Unit, context: SourceContext) -> UnitReading:
            return kinds.read(kind, unit, dataclasses.replace(context, sample=sample))

        self.joined, self.failures = run_steps(self.run, read)
        if self.joined.kept.num_rows:
            release(self.run, self.joined)
        self.groups = {group.name: group for group in self.run.lock.groups}
        return self

    @property
    def text_bytes(self) -> int:
        """Bytes of text that were read."""
        return sum(self.run.part_bytes().values())

    def estimate(self, seconds: Callable[[float], dict[str, float]]) -> Estimate:
        """Scale what came of the sample."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        units = {name: self._units_factor(name) for name in self.all}
        places = _Places(self.run, self.joined)
        weights = {}
        for name, group in self.groups.items():
            whole, (by_files, by_bytes) = units[group.source], places.unread_factors(name)
            weights[name] = _Weights(whole, whole * by_files, whole * by_bytes)
        counts = places.counts(weights)
        kept = counts.pop(("", "kept"), (0, 0))
        attrition = tuple(
            Attrition(one.stage, one.value, *counts[one.stage, one.value])
            for one in Reason
            if (one.stage, one.value) in counts
        )
        files, size = (kept[at] + sum(count[at] for count in counts.values()) for at in (0, 1))
        text = sum(self._text_of(name) * weights[name].of_bytes for name in self.groups)
        factor = text / max(self.text_bytes, 1)
        disk = _size(self.folder, ("files", "provenance", "decisions", "repositories", "clusters", "releases"))
        workers = workers_of(self.config)
        memory = BASE_BYTES + workers * PART_SHARE * min(self.config.fetch.part_bytes, text) + files * PLACE_BYTES
        return Estimate(
            tuple(self._source(name, weights) for name in self.all), (files, size), attrition, kept, seconds(text),
            (round(disk * factor), max(round(self._shingle_bytes() * factor), kept[1])),
            max(peak, round(memory)), workers, self.text_bytes, self.failures,
        )  # fmt: skip

    def _shingle_bytes(self) -> int:
        """Return what near deduplication spills; the release later spills every kept text, uncompressed."""
        if not self.config.near.enabled:
            return 0
        counts = [
            storage.read_parquet(self.run.build.decisions("signatures", part), ["num_shingles"])[
                "num_shingles"
            ].to_numpy()
            for _, part in self.run.parts()
        ]
        return sum(8 * int(one.sum()) + 4 * self.config.near.permutations * len(one) for one in counts)

    def _text_of(self, group: str) -> int:
        return sum(manifest.read(self.run.build.group_manifest(group)).counts["part_bytes"])

    def _drawn_units(self, source: str) -> list[Unit]:
        groups = (group for group in self.run.lock.groups if group.source == source)
        return _sound([unit for group in groups for unit in group.units])

    def _units_factor(self, source: str) -> float:
        """Return how many times the drawn units the source has: by their listings, or by their number where there are none."""
        drawn = self._drawn_units(source)
        known = _sound(self.all[source])
        whole, part = _listed(known), _listed(drawn)
        return whole / part if whole and part else len(known) / max(len(drawn), 1)

    def _source(self, source: str, weights: dict[str, _Weights]) -> SourceEstimate:
        mine = [name for name, group in self.groups.items() if group.source == source]
        read = {name: self._text_of(name) for name in mine}
        factor = sum(read[name] * weights[name].of_bytes for name in mine) / max(sum(read.values()), 1)
        return SourceEstimate(source, len(_sound(self.all[source])), len(self._drawn_units(source)), factor)


class _Weights(NamedTuple):
    """What one entry of a group stands for: one that is known or read in any case, the files and the bytes of a drawn one."""

    of_known: float
    of_files: float
    of_bytes: float


_PLACES = pa.schema([("reason", pa.string()), ("group", pa.string()), ("always", pa.bool_()), ("bytes", pa.int64())])


class _Places:
    """What became of every place of a trial: columns stage, reason, group, bytes, and whether it is read whatever is drawn."""

    def __init__(self, run: Run, joined: Fold) -> None:
        tables = []
        verdicts = _verdicts(joined)
        for group, part in run.parts():
            places = storage.read_parquet(run.build.provenance(part), ["path", "num_bytes", "content_id"])
            reason = storage.read_parquet(run.build.decisions("fetch", part), ["reason"])["reason"].cast("string")
            always = [_is_evidence(path) for path in places["path"].to_pylist()]
            verdict = pc.index_in(
                pa.array([f"{part}/{row}" for row in range(places.num_rows)], pa.string()), verdicts["place"]
            )
            tables.append(
                pa.table(
                    {
                        "reason": pc.coalesce(reason, verdicts["reason"].take(verdict), Reason.EXACT_DUPLICATE.value),
                        "group": pa.array([group] * places.num_rows, pa.string()), "always": always,
                        "bytes": pc.max_element_wise(places["num_bytes"], 0),
                    },
                    schema=_PLACES,
                )
            )  # fmt: skip
        self.table = pa.concat_tables([_PLACES.empty_table(), *tables])

    def unread_factors(self, group: str) -> tuple[float, float]:
        """Return how many times the files, and the bytes, that were read of a group's entries there are."""
        mine = self.table.filter(pc.and_(pc.equal(self.table["group"], group), pc.invert(self.table["always"])))
        mine = mine.filter(pc.invert(pc.is_in(mine["reason"], pa.array([one.value for one in _KNOWN_UNREAD]))))
        unread = pc.is_in(mine["reason"], pa.array([one.value for one in _UNREAD]))
        read = mine.filter(pc.invert(unread))
        size = pc.sum(read["bytes"]).as_py() or 0
        if not size:
            return 1.0, 1.0
        return mine.num_rows / read.num_rows, (pc.sum(mine["bytes"]).as_py() or 0) / size

    def counts(self, weights: dict[str, _Weights]) -> dict[tuple[str, str], tuple[int, int]]:
        """Return (files, bytes) of each (stage, reason), given the weights of each group."""
        grouped = self.table.group_by(["reason", "group", "always"]).aggregate([("bytes", "count"), ("bytes", "sum")])
        files, size = Counter[str](), Counter[str]()
        for row in grouped.to_pylist():
            if row["reason"] not in {one.value for one in _UNREAD}:
                is_known = row["always"] or row["reason"] in {one.value for one in _KNOWN_UNREAD}
                weight = weights[row["group"]]
                files[row["reason"]] += (weight.of_known if is_known else weight.of_files) * row["bytes_count"]
                size[row["reason"]] += (weight.of_known if is_known else weight.of_bytes) * row["bytes_sum"]
        return {
            (BY_VALUE[name].stage if name in BY_VALUE else "", name): (round(count), round(size[name]))
            for name, count in files.items()
        }


def _verdicts(joined: Fold) -> pa.Table:
    """Return the place that stands for each content, as part/row, and its reason, "kept" for what is kept."""
    kept = joined.kept.select(["place_part", "place_row"]).append_column(
        "reason", pa.array(["kept"] * joined.kept.num_rows)
    )
    dropped = joined.dropped.select(["place_part", "place_row", "reason"])
    tables = [
        pa.table(
            {
                "place": pc.binary_join_element_wise(table["place_part"].cast("string"), table["place_row"].cast("string"), "/"),
                "reason": table["reason"].cast("string"),
            }
        )
        for table in (kept, dropped)
    ]  # fmt: skip
    return pa.concat_tables(tables).combine_chunks()


def _is_evidence(path: str) -> bool:
    return kind_of(path) is not None or is_signal_file(path)


def _sound(units: Sequence[Unit]) -> list[Unit]:
    return [unit for unit in units if "failed" not in unit.locked]


def _draw(unit: Unit) -> bytes:
    return hashlib.sha256(unit.key.encode("utf-8", "surrogateescape")).digest()


def _size_of(unit: Unit) -> int | None:
    return _listed([unit])


def _listed(units: Sequence[Unit]) -> int | None:
    """Return the bytes that the listings of units have, None where one was not listed."""
    return listed_bytes(Lock("", (Group("", "", "", 0, tuple(units)),), {}))


def _size(folder: Path, names: Sequence[str]) -> int:
    return sum(path.stat().st_size for name in names for path in (folder / name).rglob("*") if path.is_file())
