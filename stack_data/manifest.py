"""Manifests: what made an output folder, from which inputs, and which bytes it holds.

A manifest is written last, so its existence means that everything it lists is complete. Its plan (inputs by
SHA-256, resolved configuration, rule versions, writer version, epochs of the lists used) is known before any
work is done: an output whose plan is the present one is inherited, any other is refused or made anew. The same
digest stands in the metadata of every single part, so a half-finished folder is continued part by part.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeGuard

from stack_data import storage
from stack_data.errors import InputError, StaleBuildError

FORMAT = "fairstack-manifest/1"
PLAN_KEY = "fairstack.plan"


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """Everything that determines the bytes of an output, known before the work starts.

    inputs  SHA-256 of each input manifest or file, by its path relative to the build
    config  the configuration values the step reads
    rules   version of each rule set that decides
    lists   epoch of each suppression list by issuer
    """

    kind: str
    inputs: Mapping[str, str]
    config: Mapping[str, Any] = field(default_factory=dict)
    rules: Mapping[str, int] = field(default_factory=dict)
    lists: Mapping[str, int] = field(default_factory=dict)
    writer: str = storage.WRITER

    def to_json(self) -> dict[str, Any]:
        """Return the plan as plain JSON values."""
        return {
            "kind": self.kind, "inputs": dict(self.inputs), "config": dict(self.config),
            "rules": dict(self.rules), "lists": dict(self.lists), "writer": self.writer,
        }  # fmt: skip

    def digest(self) -> str:
        """Return the SHA-256 of the plan in canonical JSON."""
        canonical = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Output:
    """One file that a manifest lists. `holds`: text, signatures or none; a purge visits the first two."""

    sha256: str
    num_bytes: int
    holds: str

    @classmethod
    def of(cls, path: Path, holds: str) -> Output:
        """Hash a finished file."""
        return cls(storage.sha256_file(path), path.stat().st_size, holds)


@dataclass(frozen=True, slots=True)
class Manifest:
    """A plan carried out. `counts`: per reason (or other name) numbers of files and bytes."""

    plan: Mapping[str, Any]
    outputs: Mapping[str, Output]
    counts: Mapping[str, Any]

    def write(self, path: Path) -> None:
        """Write the manifest, which completes its folder."""
        outputs = {
            name: {"sha256": output.sha256, "bytes": output.num_bytes, "holds": output.holds}
            for name, output in self.outputs.items()
        }
        storage.write_json(
            path, {"format": FORMAT, "plan": dict(self.plan), "outputs": outputs, "counts": dict(self.counts)}
        )


def read(path: Path) -> Manifest:
    """Read a manifest. Raises InputError when missing, damaged, or of a newer format (which it names)."""
    value = storage.read_json(path)
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        seen = value.get("format") if isinstance(value, dict) else type(value).__name__
        raise InputError(f"{path} is of format {seen!r}, this version reads {FORMAT!r}")
    try:
        outputs = {
            name: Output(output["sha256"], output["bytes"], output["holds"])
            for name, output in value["outputs"].items()
        }
        return Manifest(value["plan"], outputs, value["counts"])
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is damaged: {error!r}") from error


def read_if_present(path: Path) -> Manifest | None:
    """Return the manifest at `path`, or None when the folder was never completed."""
    return read(path) if path.exists() else None


def differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Return in words where two plans differ, key by key; lists of as many tables are compared table by table."""
    found = []
    for key in sorted({*old, *new}):
        before, after = old.get(key), new.get(key)
        if before == after:
            continue
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            found += differences(before, after, f"{prefix}{key}.")
        elif _are_tables(before) and _are_tables(after) and len(before) == len(after):
            for number, pair in enumerate(zip(before, after, strict=True)):
                found += differences(*pair, f"{prefix}{key}[{number}].")
        elif _is_hash(before) and _is_hash(after):
            found.append(f"{key} changed")
        else:
            found.append(f"{prefix}{key}: {_short(before)} -> {_short(after)}")
    return found


def told(found: Sequence[str]) -> str:
    """Return differences for an error message: the first three, and how many more there are."""
    return "; ".join(found[:3]) + (f"; and {len(found) - 3} more" if len(found) > 3 else "")


def _are_tables(value: Any) -> TypeGuard[list[Mapping[str, Any]]]:
    return isinstance(value, list) and all(isinstance(one, Mapping) for one in value)


def _is_hash(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[0-9a-f]{64}", value) is not None


def _short(value: Any) -> str:
    text = "absent" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."


def refuse_other_rules(path: Path, old: Mapping[str, Any], new: Plan, step: str) -> None:
    """Raise StaleBuildError unless `old` was made with the configuration, rules and writer of `new`.

    Inputs may differ: they do when a source that failed was filled by a later run.
    """
    fixed = ("config", "rules", "lists", "writer")
    current = new.to_json()
    found = differences({key: old.get(key) for key in fixed}, {key: current[key] for key in fixed})
    if found:
        raise StaleBuildError(
            f"{path} was made differently ({told(found)}). To make it and what follows from it anew, add: --anew {step}"
        )
