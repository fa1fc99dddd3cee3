"""The `packages` source: named PyPI source distributions and npm tarballs, through the registries' JSON APIs.

Each package is a unit, pinned to version, address and checksum when it is locked. Addresses in the answers may be
relative; they are resolved against the address that answered. Registries are those the configuration names, else
those that pip and npm are set up for, else the public ones.
"""

from __future__ import annotations

import configparser
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urljoin

from stack_data.config_sources import PackagesConfig
from stack_data.errors import SourceError
from stack_data.sources.archive import entries_of_archive
from stack_data.sources.downloads import download, get_json
from stack_data.sources.forges import alias_of
from stack_data.sources.source import Repository, SourceContext, Unit, UnitReading

PYPI = "https://pypi.org"
NPM = "https://registry.npmjs.org"


def resolve(config: PackagesConfig, context: SourceContext) -> list[Unit]:
    """Return one unit per named package; one that cannot be resolved now is a failed unit."""
    pypi = (config.pypi_url or pip_registry() or PYPI).rstrip("/")
    npm = (config.npm_url or npm_registry() or NPM).rstrip("/")
    units = [_unit(f"pypi/-/{name}", _pypi, pypi, name) for name in config.pypi]
    return units + [_unit(f"npm/{name}", _npm, npm, name) for name in config.npm]


def _unit(key: str, resolver: Any, registry: str, name: str) -> Unit:
    try:
        return Unit(key, resolver(registry, name))
    except SourceError as error:
        return Unit(key, {"failed": str(error)})


def _pypi(registry: str, wanted: str) -> dict[str, Any]:
    name, _, version = wanted.partition("==")
    normal = re.sub(r"[-_.]+", "-", name).lower()
    if not re.fullmatch(r"[A-Za-z0-9._-]+", name):
        raise SourceError(f"{wanted!r} is no package name; write name or name==version")
    answer, url = get_json(f"{registry}/pypi/{normal}/json")
    info = answer["info"]
    # The page of one version is not everywhere; the page of the package lists the files of all of them.
    files = answer["releases"].get(version) if version and version != info["version"] else answer["urls"]
    if files is None:
        raise SourceError(f"{name} has no version {version}")
    if version and version != info["version"]:
        info = info | {"version": version}
    sdists = [file for file in files if file["packagetype"] == "sdist"]
    if not sdists:
        raise SourceError(f"{name} {info['version']} has no source distribution")
    file = min(sdists, key=lambda one: one["filename"])
    urls = [info.get("home_page") or "", *(info.get("project_urls") or {}).values()]
    return {
        "host": "pypi", "owner": "-", "repo": normal, "version": info["version"], "url": urljoin(url, file["url"]),
        "sha256": file["digests"]["sha256"], "host_time": _time(file.get("upload_time_iso_8601") or file.get("upload_time")),
        "aliases": sorted({alias for one in urls if (alias := alias_of(one or ""))}),
    }  # fmt: skip


def _npm(registry: str, wanted: str) -> dict[str, Any]:
    name, at, version = wanted.rpartition("@") if "@" in wanted[1:] else (wanted, "", "")
    answer, url = get_json(f"{registry}/{quote(name, safe='@')}")
    version = version or answer.get("dist-tags", {}).get("latest", "")
    if version not in answer.get("versions", {}):
        raise SourceError(f"npm has no version {version or 'latest'} of {name}")
    found = answer["versions"][version]
    dist = found["dist"]
    scope, _, repo = name.removeprefix("@").rpartition("/")
    repository = found.get("repository") or ""
    home = repository.get("url", "") if isinstance(repository, dict) else str(repository)
    alias = alias_of(re.sub(r"^git\+", "", home))
    return {
        "host": "npm", "owner": scope or "-", "repo": repo, "version": version, "url": urljoin(url, dist["tarball"]),
        "integrity": dist.get("integrity"), "sha256": None, "host_time": _time(answer.get("time", {}).get(version)),
        "aliases": [alias] if alias else [],
    }  # fmt: skip


def _time(stated: str | None) -> str:
    """Return a registry's time as UTC without fractions."""
    return re.sub(r"\.\d+", "", stated).removesuffix("Z") + "Z" if stated else ""


def read(unit: Unit, context: SourceContext) -> UnitReading:
    """Download, verify and read a package."""
    locked = unit.locked
    path = download(locked["url"], context.cache, context, sha256=locked["sha256"], integrity=locked.get("integrity"))
    repository = Repository(
        host=locked["host"], owner=locked["owner"], repo=locked["repo"], host_time=locked["host_time"],
        aliases=tuple(locked["aliases"]),
    )  # fmt: skip
    return UnitReading([repository], entries_of_archive(path, context.limits, locked["version"]))


def pip_registry() -> str | None:
    """Return the registry pip is set up for, without the `/simple` its index ends in."""
    index = os.environ.get("PIP_INDEX_URL")
    for path in _pip_files() if not index else ():
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
        except (OSError, configparser.Error):
            continue
        index = parser.get("global", "index-url", fallback=index)
    return re.sub(r"/simple/?$", "", index) if index else None


def _pip_files() -> Iterator[Path]:
    named = os.environ.get("PIP_CONFIG_FILE")
    yield from (
        Path(one).expanduser()
        for one in ("/etc/pip.conf", "~/.pip/pip.conf", "~/.config/pip/pip.conf", named or "")
        if one
    )


def npm_registry() -> str | None:
    named = os.environ.get("npm_config_registry") or os.environ.get("NPM_CONFIG_REGISTRY")
    if named:
        return named
    for path in (Path("~/.npmrc").expanduser(), Path("/etc/npmrc")):
        if path.exists():
            found = re.search(r"(?m)^registry\s*=\s*(\S+)", path.read_text(encoding="utf-8", errors="replace"))
            if found:
                return found[1]
    return None
