"""`fairstack data build`: every step of a build in order, each skipped when it is done; releases and reports of a build."""

from __future__ import annotations

import datetime
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stack_data import decide_contents, memory, registry, signing, storage
from stack_data import lock as locks
from stack_data.config import BuildConfig
from stack_data.config_file import load, load_resolved
from stack_data.decide import decide_all, loading_tables, own_curations
from stack_data.decide_optout import never_fetched, run_optout, unread
from stack_data.errors import ConfigError, FairStackError, InputError, StaleBuildError
from stack_data.fetch import Reader
from stack_data.filters import profiles
from stack_data.fold import Fold, fold
from stack_data.layout import Build
from stack_data.licenses import expressions
from stack_data.licenses.policy import policy_of
from stack_data.lock import Changes
from stack_data.manifest import Manifest
from stack_data.manifest import read as read_manifest
from stack_data.optout import SuppressionList
from stack_data.pipeline import (
    STEPS,
    Run,
    fetch,
    start,
    unfinished,
    workers_of,
)
from stack_data.progress import Progress, Silent
from stack_data.release.release import release
from stack_data.release.removal_list import publish
from stack_data.report.facts import report_facts
from stack_data.report.page import report_page
from stack_data.report.text import report_text
from stack_data.sources import git_history, kinds
from stack_data.sources.source import SourceContext
from stack_data.stages import language

log = logging.getLogger(__name__)


def check_config(config: BuildConfig, config_folder: Path) -> None:
    """Refuse configurations that only a stage can judge, before anything is read."""
    policy_of(config.license)
    for source in config.sources:
        if source.license and expressions.parse(source.license) is None:
            raise ConfigError(
                f"source {source.name}: license {source.license!r} is no SPDX expression and no LicenseRef-..."
            )
    language.check(config.language)
    profiles.check(config.filter)
    own_curations(config, config_folder)
    decide_contents.check(config, config_folder)


@dataclass(frozen=True, slots=True)
class BuildResult:
    """What a build came to.

    failures    source or unit -> why it is missing
    release     folder of the release; None when there is none, for the reason in `unreleased`
    refused     True when a release of that version exists and would now be another
    """

    folder: Path
    fold: Fold
    failures: dict[str, str]
    release: Path | None
    unreleased: str = ""
    refused: bool = False

    @property
    def kept_bytes(self) -> int:
        """Bytes of the kept contents."""
        return int(np.sum(self.fold.kept["num_bytes"].to_numpy()))

    def to_json(self) -> dict[str, Any]:
        """Return the result as plain JSON values."""
        return {
            "build": str(self.folder), "release": str(self.release) if self.release else None,
            "unreleased": self.unreleased,
            "entries": self.fold.num_entries, "kept": self.fold.kept.num_rows, "kept_bytes": self.kept_bytes,
            "failures": self.failures,
            "attrition": [
                {"stage": one.stage, "reason": one.reason, "files": one.num_files, "bytes": one.num_bytes}
                for one in self.fold.attrition
            ],
        }  # fmt: skip


def build(
    config: BuildConfig, config_folder: Path, anew: str | None = None, progress: Progress | None = None
) -> BuildResult:
    """Run every step of a build: fetch, decide, fold, report and release. Steps that are done are skipped.

    Raises ConfigError, StaleBuildError or StorageError; a source that cannot be read is in the result's failures.
    """
    if anew is not None and anew not in STEPS[:-1]:
        raise ConfigError(f"--anew {anew!r} is no step; there are: {', '.join(STEPS[:-1])}")
    folder = Path(config.run.builds) / config.name
    with storage.locked(folder):
        run = _start(config, config_folder, folder, anew, progress)
        joined, failures = run_steps(run)
        result = _released(run, joined, failures)
        run.progress.close()
    return result


_NEXT = "none: releases stay as they are; fairstack data release BUILD --set release.version=... makes the next"


def refresh(
    folder: Path, overrides: Sequence[str] = (), config_path: Path | None = None, progress: Progress | None = None
) -> tuple[BuildResult, Changes]:
    """Lock the sources of a build anew and run its steps again over what changed; releases stay as they are.

    config_path: a configuration with sources added or changed; default: the one the build was made with.
    Raises InputError, ConfigError, StaleBuildError or StorageError; what cannot be asked stays as it was locked.
    """
    opened = Build.open(folder)
    if not config_path and not opened.config.exists():
        raise _unfinished(folder, "fetch")
    config = load(config_path, overrides) if config_path else load_resolved(opened.config, overrides)
    if config.name != folder.resolve().name:
        raise ConfigError(f"{config_path or '--set name'} is the configuration of {config.name!r}, not of {folder}")
    home = config_path.resolve().parent if config_path else locks.config_folder(opened)
    with storage.locked(folder):
        check_config(config, home)
        storage.remove_temporaries(folder)
        today = _today()
        lock, changes = locks.refresh(opened, config, _resolver(config, home, folder, today), today, home)
        lists = accepted_lists(opened, config, home)
        run = Run(opened, config, lock, workers_of(config), progress or Silent(), os.environ, home, lists)
        joined, failures = run_steps(run)
        run.progress.close()
    return BuildResult(folder, joined, failures | changes.failures, None, _NEXT), changes


def run_steps(run: Run, read: Reader | None = None) -> tuple[Fold, dict[str, str]]:
    """Run every step before the release; return the verdicts and what is missing. `read` reads units in place of kinds.read."""
    _check_author_key(run)
    with loading_tables(run):
        failures = fetch(run, read or kinds.read, never_fetched(run.lock.groups, run.lists))
    decide_all(run)
    # Only now does the build as a whole follow this configuration.
    storage.write_json(run.build.config, run.config.resolved())
    joined = fold(run.build, run.config, run.parts())
    write_report(run, joined, failures)
    return joined, failures


def _check_author_key(run: Run) -> None:
    """Refuse a run whose author key is not the one the build's authors were hashed with; ConfigError names both."""
    key = os.environ.get("FAIRSTACK_AUTHOR_KEY", "")
    present = git_history.key_id(key) if key else ""
    for group in run.lock.groups:
        if group.kind == "git" and run.build.group_manifest(group.name).exists():
            used = storage.read_parquet(run.build.repositories(group.name), ["key_id"])["key_id"].unique().to_pylist()
            if any(one and one != present for one in used):
                state = f"is that of {present}" if present else "is not set"
                raise ConfigError(
                    f"this build's authors are hashed with the key {max(used)}, and FAIRSTACK_AUTHOR_KEY {state}; set the same "
                    "key, or start anew with: --anew fetch"
                )


def _released(run: Run, joined: Fold, failures: dict[str, str]) -> BuildResult:
    """Release a build that is complete. What is missing now may come with the next run, and a release never changes."""
    folder = run.build.folder
    if failures:
        return BuildResult(folder, joined, failures, None, "none while sources are missing")
    if not joined.kept.num_rows:
        return BuildResult(folder, joined, failures, None, "none, because nothing was kept")
    try:
        return BuildResult(folder, joined, failures, release(run, joined))
    except StaleBuildError as error:
        return BuildResult(folder, joined, failures, None, f"none: {error}", refused=True)


def accepted_lists(
    build: Build, config: BuildConfig, config_folder: Path, further: Sequence[str] = ()
) -> list[SuppressionList]:
    """Return the suppression lists in force: those the configuration names, those used before, and `further` ones."""
    return registry.accept(build.suppressions, (*config.optout.lists, *further), config.optout.keys, config_folder)


def _today() -> str:
    return datetime.datetime.now(datetime.UTC).date().isoformat()


def _resolver(config: BuildConfig, config_folder: Path, folder: Path, today: str) -> locks.Resolver:
    context = SourceContext(folder / "cache", config_folder, config.limits, today, os.environ)
    return lambda source: kinds.resolve(source, context)


def _start(config: BuildConfig, config_folder: Path, folder: Path, anew: str | None, progress: Progress | None) -> Run:
    today = _today()
    storage.make_folder(folder)
    check_config(config, config_folder)
    return start(
        config, config_folder, folder, resolver=_resolver(config, config_folder, folder, today), secrets=os.environ,
        today=today, anew=anew, progress=progress, lists=accepted_lists(Build(folder), config, config_folder),
    )  # fmt: skip


def reopen(folder: Path, overrides: Sequence[str] = (), progress: Progress | None = None, but: str = "") -> Run:
    """Open a finished build with the configuration it was made with; InputError when it is not finished.

    but: a step that need not be up to date.
    """
    opened = Build.open(folder)
    if not opened.config.exists():
        raise _unfinished(folder, "fetch")
    config = load_resolved(opened.config, overrides)
    lists = registry.accept(opened.suppressions, (), {}, folder)
    run = Run(opened, config, locks.read(opened), workers_of(config), progress or Silent(), os.environ, folder, lists)
    step = unfinished(run)
    if step and step != but:
        raise _unfinished(folder, step)
    return run


def _unfinished(folder: Path, step: str) -> InputError:
    return InputError(
        f"{folder} is not finished (the {step} step is not up to date): a run was stopped or refused; run fairstack data build "
        "CONFIG or fairstack data refresh BUILD again"
    )


def check_finished(folder: Path) -> None:
    """Raise InputError unless every step of a build is up to date."""
    reopen(folder)


def release_of(
    folder: Path, overrides: Sequence[str] = (), progress: Progress | None = None, *,
    suppressions: Sequence[str] = (), full: bool = False,
) -> Manifest:  # fmt: skip
    """Make a release of a finished build with the newest suppression lists; return its manifest.

    suppressions: further lists, paths or URLs; full: write every byte anew, whatever the parent has.
    """
    other = [one for one in overrides if not one.startswith("release.")]
    if other:
        raise ConfigError(
            f"--set {other[0]!r}: a release is made of what its build decided, so only release.* can be set here; to decide "
            "otherwise, change the configuration and run: fairstack data build CONFIG"
        )
    with storage.locked(Build.open(folder).folder):
        opened = Build.open(folder)
        if opened.config.exists():
            config = load_resolved(opened.config, overrides)
            own = [str(Path(one).absolute()) if "://" not in one else one for one in suppressions]
            accepted_lists(opened, config, locks.config_folder(opened), own)
        storage.remove_temporaries(folder)
        run = reopen(folder, overrides, progress, but="optout")
        run_optout(run)
        back = unread(run) - never_fetched(run.lock.groups, run.lists)
        if back:
            log.warning(
                "%d repositories or packages may be read again and have not been yet: fairstack data build CONFIG fetches them",
                len(back),
            )
        try:
            made = release(run, full=full)
        except FairStackError as error:
            told = " (the lists that were named are in force in this build from now on)" if suppressions else ""
            raise type(error)(f"{error}{told}") from error
        secret = signing.secret_in(os.environ)
        for earlier in run.build.releases if suppressions or run.lists else ():
            if earlier != made:
                publish(run, earlier, secret)
        run.progress.close()
    return read_manifest(made / "manifest.json")


def report_of(folder: Path) -> tuple[str, Path, Fold]:
    """Write the report of a finished build anew; return its text, the page and the fold."""
    run = reopen(folder)
    joined = fold(run.build, run.config, run.parts())
    failures = dict(run.lock.failures)
    for group in run.lock.groups:
        failures |= read_manifest(run.build.group_manifest(group.name)).counts["failures"]
    text, page = write_report(run, joined, failures)
    return text, page, joined


def write_report(run: Run, joined: Fold, failures: Mapping[str, str]) -> tuple[str, Path]:
    """Write report.txt and report.html; return the text and the page's path. `failures`: unit -> why it is missing."""
    facts = report_facts(
        run.build, joined, [group.name for group in run.lock.groups], failures, run.config.pii.placeholders
    )
    text, page = report_text(facts), run.build.folder / "report.html"
    storage.write_text(run.build.folder / "report.txt", text + "\n")
    storage.write_text(page, report_page(facts))
    memory.give_back()
    return text, page
