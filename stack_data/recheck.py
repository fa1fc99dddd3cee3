"""`fairstack data recheck`: ask every remote of a build again, before a release, and keep what they say in recheck.json.

Nothing of the build changes: the file says, for each unit of the lock, whether its remote is there, gone, or could not be asked,
where its host says it has moved to, and the texts of the files in which its owner may refuse training. Deciding on them is for the
steps that read it.

Losing a repository here removes it from releases, so a host that is down, full or blocks us must not look like owners who
left. What cannot be asked keeps its earlier state with the day it last answered. A unit is gone only when it is found gone
twice, with a pause, and either the answer can mean nothing else or the host answered for others. When more than half of what a
host had is gone at once (and at least MASS_FEWEST units), none of it is taken as gone until a person accepts it.

Hosts are asked PER_HOST requests at a time, and one that failed HOST_PATIENCE times in a row is asked no more in this run.
recheck.json, format "fairstack-recheck/1": {"format", "date", "sources": {source: {unit key: {...}}}}.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from stack_data import lock as locks
from stack_data import storage
from stack_data.config import BuildConfig
from stack_data.config_file import load_resolved
from stack_data.config_sources import PackagesConfig
from stack_data.errors import InputError
from stack_data.layout import Build
from stack_data.progress import Progress, Silent
from stack_data.sources.remote_state import without_secrets
from stack_data.sources.remotes import Asking, RemoteState, check_unit, host_of
from stack_data.sources.source import Unit

FORMAT = "fairstack-recheck/1"
FILE_NAME = "recheck.json"
PER_HOST = 2
HOST_PATIENCE = 5
MASS_FEWEST = 3
"""One or two units of a small host may well go on one day; an outage takes all, and then rule and file are of no use anyway."""
_MOST_LINES = 20

Wants = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Checked:
    """What is known of the remote of one unit.

    state    as it was when it last answered; unreachable when it never did
    checked  day of that answer, ISO 8601; empty when it never answered or is never asked
    failed   why it could not be asked this time; empty when it answered
    changed  the locked revision names another commit now
    """

    state: RemoteState
    checked: str = ""
    failed: str = ""
    changed: bool = False


@dataclass(frozen=True, slots=True)
class Recheck:
    """What all remotes of a build said. `units`: source -> unit key -> what is known; every unit of the lock is there."""

    date: str
    units: Mapping[str, Mapping[str, Checked]]

    def every(self) -> Iterator[tuple[str, str, Checked]]:
        """Yield (source, unit key, what is known) of every unit, in the order of the lock."""
        for source, units in self.units.items():
            for key, checked in units.items():
                yield source, key, checked


@dataclass(frozen=True, slots=True)
class _Question:
    source: str
    kind: str
    unit: Unit
    asking: Asking
    host: str


@dataclass(slots=True)
class _Host:
    """The questions to one host that are still open, and how often it failed in a row."""

    name: str
    open: deque[_Question] = field(default_factory=deque)
    failed: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


def recheck(
    build: Path, wants: Wants, *, today: str, workers: int = 8, accept_gone: bool = False,
    progress: Progress | None = None, secrets: Mapping[str, str] | None = None,
) -> Recheck:  # fmt: skip
    """Ask every remote of a build and write what they said to its recheck.json.

    wants: whether a path in a repository is a file whose text is kept. accept_gone: believe that units are gone where it
    looks like an outage or a block. secrets: default: the environment. Holds the build's lock while it runs.
    Raises InputError when `build` is none or is being built, StorageError when the disk refuses.
    """
    opened = Build.open(build)
    if not opened.config.exists():
        raise InputError(f"{build} was never built to the end; run fairstack data build CONFIG first")
    with storage.locked(build):
        earlier = read(build)
        scratch = opened.cache / "recheck"
        storage.make_folder(scratch)
        try:
            questions = _questions(opened, scratch, os.environ if secrets is None else secrets)
            said = _ask_all(questions, wants, workers, progress or Silent())
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        if not accept_gone:
            said = _believed(questions, said, earlier)
        found = _joined(questions, said, earlier, today)
        _write(build, found)
    return found


def read(build: Path) -> Recheck | None:
    """Return what the last recheck of a build found, None when there was none; InputError when it cannot be read."""
    path = build / FILE_NAME
    if not path.exists():
        return None
    value = storage.read_json(path)
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        seen = value.get("format") if isinstance(value, dict) else None
        raise InputError(
            f"{path} is of format {seen!r}, this version reads {FORMAT!r}; run fairstack data recheck again"
        )
    try:
        units = {
            source: {key: Checked(**(one | {"state": RemoteState(**one["state"])})) for key, one in states.items()}
            for source, states in value["sources"].items()
        }
        return Recheck(value["date"], units)
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is damaged ({error}); run fairstack data recheck again") from error


def _write(build: Path, found: Recheck) -> None:
    sources = {
        source: {key: _plain(checked) for key, checked in units.items()} for source, units in found.units.items()
    }
    value = {"format": FORMAT, "date": found.date, "sources": sources}
    # Paths may hold surrogate escapes, which only ASCII JSON keeps.
    storage.write_text(build / FILE_NAME, json.dumps(value, indent=1) + "\n")


def _plain(checked: Checked) -> dict[str, Any]:
    value = asdict(replace(checked, state=replace(checked.state, signals=dict(checked.state.signals))))
    del value["state"]["host_failed"]
    return value


def _questions(build: Build, scratch: Path, secrets: Mapping[str, str]) -> list[_Question]:
    config = load_resolved(build.config)
    sources = {source.name: source for source in config.sources}
    questions = []
    for group in locks.read(build).groups:
        source = sources.get(group.source)
        asking = _asking(config, source if isinstance(source, PackagesConfig) else None, scratch, secrets)
        for unit in group.units:
            if source is not None and not unit.locked.get("audience"):
                unit = replace(unit, locked={**unit.locked, "audience": source.audience})
            questions.append(_Question(group.source, group.kind, unit, asking, host_of(group.kind, unit, asking)))
    return questions


def _asking(config: BuildConfig, source: PackagesConfig | None, scratch: Path, secrets: Mapping[str, str]) -> Asking:
    if source is None:
        return Asking(scratch, config.limits, secrets)
    return Asking(scratch, config.limits, secrets, source.pypi_url, source.npm_url)


def _ask_all(
    questions: Sequence[_Question], wants: Wants, workers: int, progress: Progress
) -> dict[tuple[str, str], RemoteState]:
    """Return what each unit's remote says, by source and key."""
    said: dict[tuple[str, str], RemoteState] = {}
    hosts: dict[str, _Host] = {}
    for question in questions:
        hosts.setdefault(question.host, _Host(question.host)).open.append(question)
    stopped = threading.Event()

    def lane(host: _Host) -> None:
        while not stopped.is_set() and (question := _next(host)) is not None:
            said[question.source, question.unit.key] = _answer(question, host, wants)
            progress.advance(1, 0)

    progress.begin("recheck", len(questions), None)
    with ThreadPoolExecutor(max(1, workers), thread_name_prefix="recheck") as pool:
        try:
            lanes = [pool.submit(lane, host) for host in hosts.values() for _ in range(min(PER_HOST, len(host.open)))]
            for one in lanes:
                one.result()
        except BaseException:
            stopped.set()
            raise
    progress.end()
    return said


def _next(host: _Host) -> _Question | None:
    with host.lock:
        return host.open.popleft() if host.open else None


def _answer(question: _Question, host: _Host, wants: Wants) -> RemoteState:
    if host.failed >= HOST_PATIENCE:
        detail = f"not asked: {host.name} failed {HOST_PATIENCE} times in a row"
        return RemoteState("unreachable", detail, host_failed=True)
    state = check_unit(question.kind, question.unit, wants, question.asking)
    if state.state == "gone":
        time.sleep(question.asking.limits.retry_seconds)
        again = check_unit(question.kind, question.unit, wants, question.asking)
        state = replace(again, definite=again.definite and state.definite)
    with host.lock:
        host.failed = host.failed + 1 if state.host_failed else 0
    return state


def _believed(
    questions: Sequence[_Question], said: Mapping[tuple[str, str], RemoteState], earlier: Recheck | None
) -> dict[tuple[str, str], RemoteState]:
    """Return the states with those of gone units taken back where they look like the fault of their host."""
    believed = dict(said)
    by_host: dict[str, list[tuple[str, str]]] = {}
    for question in questions:
        by_host.setdefault(question.host, []).append((question.source, question.unit.key))
    for host, asked in by_host.items():
        # Those that went before were accepted then; they are no part of what goes at once.
        there = [one for one in asked if not _was_gone(earlier, *one)]
        going = [one for one in there if said[one].state == "gone"]
        answered = any(said[one].state == "ok" for one in asked)
        is_mass = len(going) >= MASS_FEWEST and 2 * len(going) > len(there)
        for one in going:
            state = said[one]
            if is_mass:
                why = (
                    f"so are {len(going):,} of {len(there):,} at {host} at once, which looks like an outage or a block; to take "
                    "them as gone: --accept-gone"
                )
            elif not (state.definite or answered):
                why = f"{host} answered for nothing else, so this is not taken as gone; to do so: --accept-gone"
            else:
                continue
            believed[one] = replace(state, state="unreachable", detail=f"{state.detail}; {why}", definite=False)
    return believed


def _was_gone(earlier: Recheck | None, source: str, key: str) -> bool:
    checked = earlier.units.get(source, {}).get(key) if earlier else None
    return checked is not None and checked.state.state == "gone"


def _joined(
    questions: Iterable[_Question], said: Mapping[tuple[str, str], RemoteState], earlier: Recheck | None, today: str
) -> Recheck:
    units: dict[str, dict[str, Checked]] = {}
    for question in questions:
        key = question.unit.key
        before = earlier.units.get(question.source, {}).get(key) if earlier else None
        checked = _with_earlier(said[question.source, key], before, today)
        units.setdefault(question.source, {})[key] = replace(checked, changed=_changed(question.unit, checked.state))
    return Recheck(today, units)


def _with_earlier(now: RemoteState, before: Checked | None, today: str) -> Checked:
    """Return what is known of a remote, given what it says now and what was known before."""
    if now.state == "not_asked":
        return Checked(now)
    if now.state == "unreachable":
        return replace(before, failed=now.detail) if before and before.checked else Checked(now, "", now.detail)
    if before is None:
        return Checked(now, today)
    old = before.state
    if old.renamed_to and not now.renamed_to:
        # Whoever has the old name now, what the build holds came from the one who moved.
        told = f"it was renamed to {old.renamed_to} before" + (
            "; someone may have the old name" if now.state == "ok" else ""
        )
        now = replace(now, renamed_to=old.renamed_to, detail="; ".join(filter(None, (now.detail, told))))
    if now.state == "ok" and old.signals_read and not now.signals_read:
        now = replace(
            now, signals=old.signals, signals_read=True, detail=f"{now.detail}; those of {before.checked} are kept"
        )
    return Checked(now, today)


def _changed(unit: Unit, state: RemoteState) -> bool:
    commit = str(unit.locked.get("commit", ""))
    # Who locked a commit by its id wants that one, whatever follows.
    return bool(state.head and commit) and state.head != commit and not unit.key.endswith(f"@{commit}")


def summary(found: Recheck) -> str:
    """Return what a recheck found, for people: a line with the counts, then the units that need a look."""
    rows = [(_line(without_secrets(key)), one) for _, key, one in found.every()]
    kinds: list[tuple[str, list[tuple[str, str]]]] = [
        ("gone", [(key, one.state.detail) for key, one in rows if one.state.state == "gone"]),
        ("renamed", [(key, one.state.renamed_to) for key, one in rows if one.state.renamed_to]),
        ("withdrawn", [(key, one.state.detail) for key, one in rows if one.state.withdrawn]),
        ("with signal files", [(key, ", ".join(sorted(one.state.signals))) for key, one in rows if one.state.signals]),
        ("could not be asked", [(key, _known(one)) for key, one in rows if one.failed]),
    ]  # fmt: skip
    counts = [f"{sum(one.state.state == 'ok' for _, one in rows):,} ok"]
    counts += [f"{len(listed):,} {name}" for name, listed in kinds if listed]
    counts += [f"{sum(one.changed for _, one in rows):,} changed since they were locked"]
    counts += [f"{sum(one.state.state == 'not_asked' for _, one in rows):,} not asked"]
    lines = [f"recheck of {found.date}: {len(rows):,} units: {', '.join(counts)}"]
    for name, listed in kinds:
        lines += [f"  {name}: {key}" + (f": {_line(detail)}" if detail else "") for key, detail in listed[:_MOST_LINES]]
        if len(listed) > _MOST_LINES:
            lines.append(f"  {name}: and {len(listed) - _MOST_LINES:,} more")
    return "\n".join(lines)


def _known(checked: Checked) -> str:
    last = f"last answered on {checked.checked}: {checked.state.state}" if checked.checked else "never answered"
    return f"{checked.failed} ({last})"


def _line(text: str) -> str:
    return "".join(one if one.isprintable() else "?" for one in text)[:300]
