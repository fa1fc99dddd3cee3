"""The lineage of a checkpoint: a machine-readable record of what it was made from, `lineage.json` beside its weights.

It names the releases with their identities, the suppression epochs with the range of steps that each was in force for, tokenizer, mixture,
configuration (published.py), code version, the base model where training went on from one, and the checkpoints before. Following it backwards walks
checkpoint -> token shards -> release -> sources. The record of a resumed run goes on: a list that was applied in between begins a new range.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from model.lineage import published
from stack_data import storage
from stack_data.errors import InputError

FORMAT = "fairstack-lineage/1"
NAME = "lineage.json"


@dataclass(frozen=True, slots=True)
class DataFacts:
    """What token shards say of themselves.

    releases  {"name", "version", "identity", "epochs"} of each release; epochs: {issuer: epoch} of the lists that this one follows
    epochs    {issuer: epoch} of the suppression lists that all of the shards follow now, drops included
    shards    identity of each folder of shards, how many drops were applied to it, and "trained_on": False where it is only measured with
    """

    releases: tuple[Mapping[str, Any], ...]
    epochs: Mapping[str, int]
    tokenizer: Mapping[str, Any]
    shards: tuple[Mapping[str, Any], ...]


@dataclass(slots=True)
class Lineage:
    """A run's record so far. Ranges of steps are inclusive and count from 1; the last one is open until a step after it is saved."""

    run: str
    config: Mapping[str, Any]
    data: DataFacts
    ranges: list[dict[str, Any]] = field(default_factory=list)
    code: dict[str, str] = field(default_factory=dict)
    base: dict[str, Any] | None = None
    checkpoints: list[dict[str, Any]] = field(default_factory=list)
    sessions: list[dict[str, Any]] = field(default_factory=list)

    def to_json(self, step: int, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Return the record after `step` steps as JSON values; facts: counts and measures of the checkpoint."""
        ranges = [{**one, "last_step": step if one["last_step"] is None else one["last_step"]} for one in self.ranges]
        config = published.configuration(self.config)
        return {
            "format": FORMAT, "run": self.run, "step": step, **facts,
            "releases": [dict(one) for one in self.data.releases],
            "suppressions": [one for one in ranges if one["first_step"] <= step],
            "tokenizer": dict(self.data.tokenizer), "shards": [dict(one) for one in self.data.shards],
            "config": config, "config_sha256": digest(config), "code": self.code, "base": self.base,
            "checkpoints": self.checkpoints, "sessions": self.sessions,
        }  # fmt: skip

    def go_on(self, data: DataFacts, step: int) -> None:
        """Begin or go on after `step` steps with data as it is now: ranges of epochs that changed end there, new ones begin."""
        followed = _followed(data)
        for one in self.ranges:
            if one["last_step"] is None and followed.get((one["issuer"], one.get("release", ""))) != one["epoch"]:
                one["last_step"] = step
        live = {(one["issuer"], one.get("release", "")) for one in self.ranges if one["last_step"] is None}
        for (issuer, release), epoch in sorted(followed.items()):
            if (issuer, release) not in live:
                of_one = {"release": release} if release else {}
                self.ranges.append(
                    {"issuer": issuer, "epoch": epoch, **of_one, "first_step": step + 1, "last_step": None}
                )
        # A range that was ended before its first step was never in force for any.
        self.ranges = [one for one in self.ranges if one["last_step"] is None or one["last_step"] >= one["first_step"]]
        self.data = data


def _followed(data: DataFacts) -> dict[tuple[str, str], int]:
    """Return the epoch by (issuer, "") of what all releases follow, and by (issuer, release) of what one follows beyond that."""
    found = {(issuer, ""): epoch for issuer, epoch in data.epochs.items()}
    for one in data.releases:
        for issuer, epoch in one.get("epochs", {}).items():
            if data.epochs.get(issuer) != epoch:
                found[issuer, f"{one['name']} {one['version']}"] = epoch
    return found


def resumed(saved: Mapping[str, Any], config: Mapping[str, Any], data: DataFacts) -> Lineage:
    """Return the record of a run that goes on from a checkpoint whose lineage was saved."""
    # The last range of each issuer was open when it was saved; it goes on unless `go_on` ends it.
    ranges = [dict(one) for one in saved["suppressions"]]
    for one in ranges:
        if one["last_step"] == saved["step"]:
            one["last_step"] = None
    return Lineage(
        saved["run"], config, data, ranges, code_version(), saved["base"],
        [dict(one) for one in saved["checkpoints"]], [dict(one) for one in saved["sessions"]],
    )  # fmt: skip


def read(checkpoint: Path) -> dict[str, Any]:
    """Return the lineage of a checkpoint; InputError when it has none or one of another format."""
    path = checkpoint / NAME
    if not path.exists():
        raise InputError(f"{checkpoint} has no {NAME}: it was not made by fairstack, and nothing is known of its data")
    value = storage.read_json(path)
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        seen = value.get("format") if isinstance(value, dict) else type(value).__name__
        raise InputError(f"{path} is of format {seen!r}, this version reads {FORMAT!r}")
    return value


def digest(value: Any) -> str:
    """Return the SHA-256 of a JSON value in canonical form."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def code_version() -> dict[str, str]:
    """Return the versions of the project, of its source text (SHA-256 over every module) and of what it computes with."""
    root = Path(__file__).resolve().parent.parent.parent
    text = hashlib.sha256()
    for path in sorted(file for package in ("model", "stack_data") for file in (root / package).rglob("*.py")):
        text.update(f"{path.relative_to(root).as_posix()}\0{storage.sha256_file(path)}\n".encode())
    names = ("fairstack", "torch", "numpy", "numba", "tokenizers")
    return {name: importlib.metadata.version(name) for name in names} | {"source_sha256": text.hexdigest()}


def as_json(data: DataFacts) -> dict[str, Any]:
    """Return data facts as plain JSON values."""
    return asdict(data)
