"""The `environment` source: an installed Python environment, read without network and without importing anything.

One unit. Each distribution is a repository `pypi/-/<name>` that owns the files of its RECORD; its dist-info holds
the declared licence and licence files. The standard library is `python/-/cpython`. What no RECORD names belongs to
`environment/-/unowned`, which has no licence, so it is dropped with that reason. Project URLs that name a repository
on a known forge are aliases, never shown as the origin.

Not read: scripts that installers generate outside site-packages. Byte-code caches are recorded as binary by name.
"""

from __future__ import annotations

import csv
import os
import posixpath
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import replace
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path
from typing import Any, NamedTuple

from stack_data.config_sources import EnvironmentConfig
from stack_data.errors import SourceError
from stack_data.sources.folders import (
    Listed,
    check_listing,
    entries_of,
    list_tree,
    locked_listing,
    read_files,
    readable_sizes,
)
from stack_data.sources.forges import alias_of
from stack_data.sources.source import Entry, Repository, SourceContext, Unit, UnitReading

_ASK = (
    "import sysconfig, platform; p = sysconfig.get_paths();"
    "print(p['purelib'], p['stdlib'], platform.python_version(), sep='\\n')"
)


class _Places(NamedTuple):
    site_packages: str
    standard_library: str
    version: str


class _Distribution(NamedTuple):
    name: str
    version: str
    aliases: tuple[str, ...]
    files: tuple[str, ...]


def resolve(config: EnvironmentConfig, context: SourceContext) -> list[Unit]:
    """Return the environment as one unit; SourceError when it cannot be found."""
    places = _find(config, context.config_folder)
    locked: dict[str, Any] = {
        "version": places.version,
        "site_packages": locked_listing(places.site_packages, _list(places.site_packages)),
        "distributions": sorted(_normal(name) for name in config.distributions),
        "exclude": sorted(_normal(name) for name in config.exclude),
        "standard_library": None,
    }
    known = {distribution.name for distribution in _distributions(places.site_packages)}
    missing = [name for name in locked["distributions"] if name not in known]
    if missing:
        raise SourceError(f"not installed in {places.site_packages}: {', '.join(missing)}")
    if config.standard_library:
        locked["standard_library"] = locked_listing(places.standard_library, _list(places.standard_library))
    return [Unit(config.name, locked)]


def read(unit: Unit, context: SourceContext) -> UnitReading:
    """Read the environment; SourceError when it changed since it was locked."""
    locked = dict(unit.locked)
    site = locked["site_packages"]["root"]
    listing = _list(site)
    check_listing(site, listing, locked["site_packages"])
    library = locked["standard_library"]
    files = _list(library["root"]) if library else []
    if context.sample:
        whole = sum(readable_sizes((*listing, *files), context.limits))
        context = replace(context, sample=replace(context.sample, all_bytes=whole))
    distributions = [one for one in _distributions(site) if _is_wanted(one.name, locked)]
    repositories = [Repository(host="pypi", owner="-", repo=one.name, aliases=one.aliases) for one in distributions]
    repositories.append(Repository(host="environment", owner="-", repo="unowned"))
    entries = _site_entries(site, listing, distributions, locked, context)
    if library:
        check_listing(library["root"], files, library)
        repositories.append(
            Repository(host="python", owner="-", repo="cpython", aliases=("github.com/python/cpython",))
        )
        entries = _chain(entries, library["root"], files, len(repositories) - 1, locked["version"], context)
    return UnitReading(repositories, entries)


def _chain(
    first: Iterator[Entry], root: str, files: list[Listed], repository: int, version: str, context: SourceContext
) -> Iterator[Entry]:
    yield from first
    yield from entries_of(read_files(root, files, context), repository, version)


def _find(config: EnvironmentConfig, config_folder: Path) -> _Places:
    if config.python is None:
        paths = sysconfig.get_paths()
        version = ".".join(map(str, sys.version_info[:3]))
        return _Places(paths["purelib"], paths["stdlib"], version)
    # normpath, not resolve: an interpreter of a virtual environment is a link to that of another.
    given = Path(os.path.normpath(config_folder / Path(config.python).expanduser()))
    if given.is_dir():
        return _find_in_folder(config, given)
    if not given.is_file():
        raise SourceError(f"no environment and no interpreter at {given}")
    try:
        asked = subprocess.run([str(given), "-I", "-c", _ASK], capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise SourceError(f"{given} does not run as a Python interpreter: {error}") from error
    return _Places(*asked.stdout.splitlines()[:3])


def _find_in_folder(config: EnvironmentConfig, folder: Path) -> _Places:
    """Find the places of a virtual environment or a plain site-packages folder without running anything."""
    settings = folder / "pyvenv.cfg"
    if not settings.exists():
        return _Places(str(folder), "", "") if not config.standard_library else _no_library(config, folder)
    values = dict(re.findall(r"(?m)^\s*([\w-]+)\s*=\s*(.*?)\s*$", settings.read_text(encoding="utf-8")))
    sites = sorted(folder.glob("lib/python3*/site-packages")) or sorted(folder.glob("Lib/site-packages"))
    if not sites:
        raise SourceError(f"{folder} has no site-packages")
    library = Path(values.get("home", "")).parent / "lib" / sites[0].parent.name
    version = values.get("version_info", values.get("version", sites[0].parent.name.removeprefix("python")))
    return _Places(str(sites[0]), str(library), str(version))


def _no_library(config: EnvironmentConfig, folder: Path) -> _Places:
    raise SourceError(f"{folder} is no virtual environment; for a bare folder set standard_library = false")


def _list(root: str) -> list[Listed]:
    """List site-packages or a library without the site-packages in it, and without byte-code caches.

    Python writes caches whenever it imports something, this build's own modules among them: were they part of the
    environment, reading it would change it.
    """
    return list_tree(root, lambda path: path.endswith("__pycache__/") or path in ("site-packages/", "dist-packages/"))


def _is_wanted(name: str, locked: dict[str, Any]) -> bool:
    return name not in locked["exclude"] and (not locked["distributions"] or name in locked["distributions"])


def _site_entries(
    site: str, listing: list[Listed], distributions: list[_Distribution], locked: dict[str, Any], context: SourceContext
) -> Iterator[Entry]:
    owners = {path: number for number, one in enumerate(distributions) for path in one.files}
    unowned = len(distributions)
    if locked["distributions"] or locked["exclude"]:
        # A selection was asked for: what it leaves out is not part of the source.
        listing = [listed for listed in listing if listed.path in owners]
    versions = [*(one.version for one in distributions), ""]
    numbers = [owners.get(listed.path, unowned) for listed in listing]
    read = read_files(site, listing, context)
    for number, entry in zip(numbers, entries_of(read), strict=True):
        yield entry._replace(repository=number, revision=versions[number])


def _distributions(site: str) -> list[_Distribution]:
    """Return the distributions of a site-packages folder, by name."""
    found = []
    for folder in sorted(os.listdir(site)):
        if folder.endswith(".dist-info"):
            metadata = _metadata(f"{site}/{folder}/METADATA")
            name = metadata.get("Name") or folder.partition("-")[0]
            version = metadata.get("Version") or ""
            found.append(_Distribution(_normal(name), version, _aliases(metadata), tuple(_record(site, folder))))
    return sorted(found)


def _normal(name: str) -> str:
    """Return a distribution's name in normal form (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _metadata(path: str) -> Message:
    try:
        text = Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return Message()
    return HeaderParser().parsestr(text)


def _record(site: str, folder: str) -> Iterator[str]:
    try:
        with Path(f"{site}/{folder}/RECORD").open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            paths = [row[0] for row in csv.reader(file) if row]
    except (OSError, csv.Error):
        paths = [f"{folder}/METADATA"]
    for path in paths:
        clean = posixpath.normpath(path.replace("\\", "/"))
        if not clean.startswith(("../", "/")):
            yield clean


def _aliases(metadata: Message) -> tuple[str, ...]:
    urls = [str(metadata.get("Home-page") or "")]
    urls += [str(value).partition(",")[2] for value in metadata.get_all("Project-URL", [])]
    return tuple(sorted({alias for url in urls if (alias := alias_of(url))}))
