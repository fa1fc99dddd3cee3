"""Checkpoints on disk: whole or not there, checked before use, the newest and the best kept.

A checkpoint is a folder `step-00000500/` below the run's `checkpoints/`. It is written beside its place, every file flushed, its manifest
(SHA-256 of each file) last, and then renamed, so a folder of that name is complete whatever happened: a killed or failed save leaves
the earlier ones as they were. Reading hashes every file; one that is truncated or was changed is told and set aside as
`step-00000500.damaged`, and the one before it is used.

Not covered: somebody who changes a file and its manifest. The next checkpoint's lineage names the identity of those before it.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Container, Mapping
from pathlib import Path
from typing import Any

from stack_data import manifest, storage
from stack_data.errors import InputError

KIND = "model/checkpoint"
_NAME = re.compile(r"step-(\d{8})")
_UNFINISHED = "unfinished-"


def path_of(folder: Path, step: int) -> Path:
    """Return where the checkpoint after `step` steps lies."""
    return folder / f"step-{step:08d}"


def step_of(checkpoint: Path) -> int:
    """Return after how many steps a checkpoint was made."""
    found = _NAME.fullmatch(checkpoint.name)
    if not found:
        raise InputError(f"{checkpoint} is no checkpoint: its name is not of the form step-00000500")
    return int(found[1])


def save(folder: Path, step: int, write: Callable[[Path], None], facts: Mapping[str, Any]) -> Path:
    """Make a checkpoint: `write` fills a folder, the manifest with `facts` seals it. Return its path.

    Raises StorageError when the disk refuses; then nothing of it is left and earlier checkpoints are as they were.
    """
    target, begun = path_of(folder, step), folder / f"{_UNFINISHED}{step:08d}"
    storage.make_folder(folder)
    shutil.rmtree(begun, ignore_errors=True)
    try:
        begun.mkdir()
        write(begun)
        _seal(begun, step, facts)
        begun.rename(target)
        storage.sync_folder(folder)
    except Exception as error:
        # Whatever it was, what is unfinished goes: on a full disk its space is needed by those who tidy up.
        shutil.rmtree(begun, ignore_errors=True)
        refusal = _refusal(error)
        if refusal:
            raise storage.refused(target, refusal) from error
        raise
    return target


def _refusal(error: Exception) -> OSError | None:
    """Return the disk's refusal that an error is: Python's, or one that the writer of tensors has wrapped in words."""
    if isinstance(error, OSError):
        return error
    number = re.search(r"\(os error (\d+)\)", str(error)) if type(error).__name__ == "SafetensorError" else None
    return OSError(int(number[1]), os.strerror(int(number[1]))) if number else None


def _seal(folder: Path, step: int, facts: Mapping[str, Any]) -> None:
    outputs = {}
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        _flush(file)
        outputs[file.relative_to(folder).as_posix()] = manifest.Output.of(file, "none")
    plan = {"kind": KIND, "config": {"step": step}}
    manifest.Manifest(plan, outputs, dict(facts)).write(folder / "manifest.json")


def _flush(file: Path) -> None:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def all_of(folder: Path) -> list[Path]:
    """Return the checkpoints of a run by step."""
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted(path for path in found if _NAME.fullmatch(path.name) and path.is_dir())


def refuse_run(folder: Path) -> None:
    """Raise InputError where a checkpoint is asked for and a run's folder was named, or the folder of its checkpoints."""
    for one in (folder / "checkpoints", folder):
        if found := all_of(one):
            raise InputError(f"{folder} is no checkpoint but holds {len(found)}; name one, such as {found[-1]}")


def check(checkpoint: Path, only: Container[str] | None = None) -> manifest.Manifest:
    """Return a checkpoint's manifest after hashing every file, or some; InputError names the first that is not as it was written."""
    found = manifest.read(checkpoint / "manifest.json")
    if found.plan.get("kind") != KIND:
        raise InputError(f"{checkpoint} is no checkpoint: its manifest is of kind {found.plan.get('kind')!r}")
    for name, output in found.outputs.items():
        if only is not None and name not in only:
            continue
        path = checkpoint / name
        if not path.is_file():
            raise InputError(f"{checkpoint} is damaged: {name} is missing")
        size = path.stat().st_size
        if size != output.num_bytes:
            raise InputError(f"{checkpoint} is damaged: {name} has {size:,} bytes, not {output.num_bytes:,}")
        if storage.sha256_file(path) != output.sha256:
            raise InputError(f"{checkpoint} is damaged: the SHA-256 of {name} is not that of its manifest")
    return found


def identity(checkpoint: Path) -> str:
    """Return the identity of a checkpoint: the SHA-256 of its manifest."""
    return storage.sha256_file(checkpoint / "manifest.json")


def newest_sound(folder: Path, tell: Callable[[str], None]) -> Path | None:
    """Return the newest checkpoint that is as it was written; None when there never was one.

    Each damaged one is told in a line and set aside. Raises InputError when all are damaged.
    """
    found = all_of(folder)
    for checkpoint in reversed(found):
        try:
            check(checkpoint)
        except InputError as error:
            aside = checkpoint.with_name(f"{checkpoint.name}.damaged")
            shutil.rmtree(aside, ignore_errors=True)
            checkpoint.rename(aside)
            tell(f"{error}; it is set aside as {aside.name}, and the one before it is used")
            continue
        return checkpoint
    if found or any(folder.glob("*.damaged")):
        raise InputError(f"no checkpoint below {folder} is sound; to begin anew, delete that folder")
    return None


def remove_unfinished(folder: Path) -> None:
    """Delete what a killed save or a killed clean-up left behind."""
    for stray in folder.glob(f"{_UNFINISHED}*"):
        shutil.rmtree(stray, ignore_errors=True)


def prune(folder: Path, keep_last: int, keep_best: bool) -> list[Path]:
    """Delete all but the newest `keep_last` checkpoints and, of those that were evaluated, the best; return what went.

    The best is the one with the lowest `bits_per_byte` in its manifest's counts; the earlier of equals. Checkpoints that were made while a run
    went astray (`astray` in their manifest) push out none that were not: of them only the newest stays.
    """
    found = all_of(folder)
    kept = {*found[-1:], *[path for path in found if not is_astray(path)][-keep_last:]}
    scored = [(score, path) for path in found if (score := score_of(path)) is not None]
    if keep_best and scored:
        kept.add(min(scored)[1])
    gone = [path for path in found if path not in kept]
    for path in gone:
        # Renamed first: a clean-up that is killed half-way leaves no checkpoint without its files.
        aside = folder / f"{_UNFINISHED}{path.name}"
        path.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)
    return gone


def score_of(checkpoint: Path) -> float | None:
    """Return the held-out bits per byte that a checkpoint's manifest states, or None."""
    value = _counts(checkpoint).get("bits_per_byte")
    return float(value) if isinstance(value, (int, float)) else None


def is_astray(checkpoint: Path) -> bool:
    """Return whether a checkpoint's manifest says that its run was going astray: losses too high, or gradients that were no numbers."""
    return bool(_counts(checkpoint).get("astray"))


def _counts(checkpoint: Path) -> Mapping[str, Any]:
    try:
        return manifest.read(checkpoint / "manifest.json").counts
    except InputError:
        return {}


def best(folder: Path) -> Path | None:
    """Return the checkpoint with the lowest held-out bits per byte, or None when none was evaluated."""
    scored = [(score, path) for path in all_of(folder) if (score := score_of(path)) is not None]
    return min(scored)[1] if scored else None
