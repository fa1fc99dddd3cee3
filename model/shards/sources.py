"""What shards are made of: releases with their identities and opt-out epochs, and their files in the order they are numbered in.

Reads release folders through stack_data.search.released, so one that was updated or purged is read as it is now, and one that is being
changed, damaged or none is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.shards.tables import RULE_VERSION
from model.tokenizer.code_tokenizer import CodeTokenizer
from stack_data import manifest, purges
from stack_data.errors import ConfigError, InputError
from stack_data.manifest import Plan
from stack_data.search.protocol import Release
from stack_data.search.released import Shard, release_of

SPLITS = ("train", "validation")
MAX_FILES = 1 << 16
"""Numbers of files and of releases are uint16."""


@dataclass(frozen=True, slots=True)
class Source:
    """A release. epochs: of each issuer's suppression list that it follows, updates of this copy included."""

    folder: Path
    release: Release
    epochs: dict[str, int]
    shards: tuple[Shard, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a release, which becomes one file of tokens of the same number."""

    number: int
    release: int
    split: str
    shard: Shard


def read_sources(folders: Sequence[Path]) -> list[Source]:
    """Read what folders are releases of; InputError for none, for one that is damaged, and for the same one named twice."""
    if not folders:
        raise InputError("name at least one release, such as build/NAME/releases/1.0.0")
    found: list[Source] = []
    for folder in folders:
        release, shards = release_of(folder)
        twin = [one for one in found if one.release.label == release.label]
        if twin:
            raise InputError(f"{folder} is {release.label}, and so is {twin[0].folder}; name each release once")
        found.append(Source(folder, release, _epochs(folder), tuple(shards)))
    return found


def _epochs(folder: Path) -> dict[str, int]:
    """Return the epochs of the lists that a release follows: when it was made, and by what was taken out since."""
    found = dict(manifest.read(folder / "manifest.json").plan.get("lists", {}))
    for record in purges.records(folder):
        for issuer, epoch in dict(record.facts.get("lists", {})).items():
            found[issuer] = max(int(epoch), found.get(issuer, 0))
    return found


def parts_of(sources: Sequence[Source], splits: Sequence[str]) -> list[Part]:
    """Return the files of all releases in order; ConfigError for an unknown split, InputError when there are too many or none."""
    unknown = [one for one in splits if one not in SPLITS]
    if unknown or not splits:
        raise ConfigError(f"split is {unknown[0] if unknown else 'not given'!r}; it must be train, validation or both")
    chosen = [
        (release, split, shard)
        for release, source in enumerate(sources)
        for shard in source.shards
        if shard.data_sha256 != purges.GONE and (split := _split_of(shard)) in splits
    ]
    if not chosen:
        raise InputError(f"{sources[0].folder} holds no file of {' or '.join(splits)}")
    if len(chosen) > MAX_FILES:
        raise InputError(
            f"the releases have {len(chosen):,} files, and shards are made of at most {MAX_FILES:,}; name fewer releases"
        )
    return [Part(number, *one) for number, one in enumerate(chosen)]


def _split_of(shard: Shard) -> str:
    return shard.name.rpartition("/")[2].partition("-")[0]


def epochs_of(sources: Sequence[Source]) -> dict[str, int]:
    """Return {issuer: epoch} that all releases follow: the lowest, and none that one of them does not know."""
    known = set.intersection(*(set(one.epochs) for one in sources))
    return {issuer: min(one.epochs[issuer] for one in sources) for issuer in sorted(known)}


def plan_of(sources: Sequence[Source], parts: Sequence[Part], tokenizer: CodeTokenizer, splits: Sequence[str]) -> Plan:
    """Return everything that determines the bytes of the shards."""
    inputs = {"tokenizer": tokenizer.identity}
    for part in parts:
        label = sources[part.release].release.label
        inputs[f"{label}/data/{part.shard.name}"] = part.shard.data_sha256
        inputs[f"{label}/provenance/{part.shard.name}"] = part.shard.places_sha256
    config: dict[str, Any] = {
        "tokenizer": tokenizer.identity, "vocab_size": tokenizer.vocab_size, "dtype": tokenizer.dtype.__name__,
        "splits": sorted(splits), "releases": [_said(one) for one in sources],
    }  # fmt: skip
    return Plan(kind="shards", inputs=inputs, config=config, rules={"shards": RULE_VERSION}, lists=epochs_of(sources))


def _said(source: Source) -> dict[str, Any]:
    one = source.release
    return {"name": one.name, "version": one.version, "identity": one.identity, "key": one.key, "lists": source.epochs}
