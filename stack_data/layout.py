"""Where things lie inside a build: the only module that spells its file names.

build/<name>/sources.lock.json  files/  repositories/  provenance/  decisions/<stage>/  clusters/  releases/<version>/
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from stack_data.errors import InputError


@dataclass(frozen=True, slots=True)
class Build:
    """The folder of one build."""

    folder: Path

    @classmethod
    def open(cls, folder: Path) -> Build:
        """Return an existing build; InputError when `folder` is none."""
        build = cls(folder)
        if not build.lock.exists():
            raise InputError(
                f"{folder} is no build: it has no {build.lock.name}; make one with: fairstack data build CONFIG"
            )
        return build

    @property
    def lock(self) -> Path:
        """The lock of the sources."""
        return self.folder / "sources.lock.json"

    @property
    def config(self) -> Path:
        """The resolved configuration of the last run."""
        return self.folder / "config.json"

    @property
    def cache(self) -> Path:
        """Downloads and clones of units being read; empty when a build is complete."""
        return self.folder / "cache"

    def files(self, part: str) -> Path:
        """The contents of a part."""
        return self.folder / "files" / f"{part}.parquet"

    def provenance(self, part: str) -> Path:
        """The places of a part."""
        return self.folder / "provenance" / f"{part}.parquet"

    def repositories(self, group: str) -> Path:
        """The repositories of a source group."""
        return self.folder / "repositories" / f"{group}.parquet"

    def decisions(self, stage: str, part: str) -> Path:
        """The decisions of a stage about a part."""
        return self.folder / "decisions" / stage / f"{part}.parquet"

    def group_manifest(self, group: str) -> Path:
        """Written last for a source group: all of its files, places and repositories are there."""
        return self.folder / "files" / f"{group}.manifest.json"

    def stage_manifest(self, stage: str) -> Path:
        """Written last for a stage."""
        return (self.clusters if stage == "near" else self.folder / "decisions" / stage) / "manifest.json"

    @property
    def clusters(self) -> Path:
        """Near duplicates: verified edges, clusters and ranks."""
        return self.folder / "clusters"

    @property
    def edges(self) -> Path:
        """The verified pairs of near duplicates."""
        return self.clusters / "edges.parquet"

    @property
    def apart(self) -> Path:
        """Pairs that were compared and are no near duplicates: a later build need not compare them again."""
        return self.clusters / "apart.parquet"

    @property
    def members(self) -> Path:
        """The contents that have such a pair, with cluster and rank."""
        return self.clusters / "members.parquet"

    def candidates(self, part: str) -> Path:
        """Which contents of a part every step before near duplicates keeps."""
        return self.clusters / "candidates" / f"{part}.parquet"

    @property
    def benchmarks(self) -> Path:
        """Benchmarks that were loaded from elsewhere, as they were when the build first looked for them."""
        return self.folder / "benchmarks"

    @property
    def suppressions(self) -> Path:
        """The suppression lists this build has accepted, one file an issuer."""
        return self.folder / "suppressions"

    @property
    def recheck(self) -> Path:
        """What the sources' hosts said when they were last asked again."""
        return self.folder / "recheck.json"

    @property
    def purges(self) -> Path:
        """What was erased: one file a purge."""
        return self.folder / "purges"

    def released(self, version: str) -> Path:
        """What a release was made of, row by row: the next one makes only what differs."""
        return self.folder / "released" / f"{version}.parquet"

    def removals(self, version: str) -> Path:
        """The signed lists of what later left a release."""
        return self.folder / "removals" / version

    @property
    def releases(self) -> list[Path]:
        """The folders of the finished releases, oldest version first."""
        found = [path.parent for path in (self.folder / "releases").glob("*/manifest.json")]
        return sorted(found, key=lambda folder: version_key(folder.name))

    def release(self, version: str) -> Path:
        """The folder of a release."""
        return self.folder / "releases" / version

    def relative(self, path: Path) -> str:
        """Return a path inside the build as manifests spell it."""
        return path.relative_to(self.folder).as_posix()


def part_name(group: str, number: int) -> str:
    """Return the name of a part: parts are numbered inside their source group."""
    return f"{group}-{number:05d}"


def version_key(version: str) -> tuple[int, ...]:
    """Return what versions are ordered by."""
    return tuple(int(step) if step.isdigit() else 0 for step in version.split("."))
