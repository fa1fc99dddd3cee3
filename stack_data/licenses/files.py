"""Which files of a tree are evidence, and for which folder they speak.

Reads the table `license_files`. Names alone decide here; what the files say is read by sources_of_evidence.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Literal

from stack_data.licenses.metadata import reader_of
from stack_data.tables import load_table

Kind = Literal["license", "notice", "page", "manifest", "readme"]
"""A page is part of a manual: it may tell about licences, and what it says of its own counts."""


@dataclass(frozen=True, slots=True)
class _Names:
    license: re.Pattern[str]
    readme: re.Pattern[str]
    informational: frozenset[str]
    page_endings: frozenset[str]
    manuals: frozenset[str]
    code: frozenset[str]
    transparent: frozenset[str]
    foreign: frozenset[str]


@functools.cache
def _names() -> _Names:
    table = load_table("license_files")
    words, names = "|".join(table["license_words"]), "|".join(table["license_names"])
    return _Names(
        re.compile(
            rf"(?:^|[-_. ])(?:{words})(?:$|[-_. \d])|^(?:{names})(?:[-_. ]?v?[\d.]+)?(?:[-_ .](?:licen[cs]e|only|or-later))*(?:\.|$)"
        ),
        re.compile(table["readme"]),
        frozenset(table["informational"]),
        frozenset(table["page_endings"]),
        frozenset(table["manual_folders"]),
        frozenset(table["code_endings"]),
        frozenset(table["transparent_folders"]),
        frozenset(table["foreign_folders"]),
    )


def kind_of(path: str) -> Kind | None:
    """Return what kind of evidence the file at `path` can hold, or None."""
    folders, _, name = path.rpartition("/")
    folded = name.lower()
    if reader_of(name):
        # METADATA and PKG-INFO mean something only where packaging puts them.
        return None if folded == "metadata" and not folders.endswith(".dist-info") else "manifest"
    names = _names()
    if folded in names.informational:
        return "notice"
    if _in_license_folder(folders, folded):
        return "license"
    if _is_license_name(folded):
        return "page" if _in_manual(folders.lower(), folded) else "license"
    return "readme" if names.readme.match(folded) else None


@functools.lru_cache(65536)
def _is_license_name(folded: str) -> bool:
    names = _names()
    ending = folded.rpartition(".")[2] if "." in folded else ""
    return ending not in names.code and names.license.search(folded) is not None


@functools.lru_cache(65536)
def _in_manual(folders: str, folded: str) -> bool:
    """`docs/license.rst` and `doc/html/copyright.html` are pages of a manual; `docs/LICENSE` is a licence file."""
    names = _names()
    return folded.rpartition(".")[2] in names.page_endings and not names.manuals.isdisjoint(folders.split("/"))


def _in_license_folder(folders: str, folded: str) -> bool:
    """REUSE's LICENSES/ and a wheel's dist-info/licenses/ hold licence texts under any name."""
    in_wheel = ".dist-info/licenses" in folders
    if not in_wheel and not folders.endswith("LICENSES"):
        return False
    ending = folded.rpartition(".")[2] if "." in folded else ""
    return ending not in _names().code and not re.match(r"authors|readme|change|contribut|credits|thanks", folded)


def folder_of(path: str) -> str:
    """Return the folder an evidence file speaks for ("" is the root).

    `LICENSES/` and the like speak for the folder above them, `x.dist-info/` and `x.egg-info/` for the folder that
    holds them. Below `x.dist-info/licenses/` a wheel keeps the paths the files had in the source tree (PEP 639), so
    `licenses/a/b/LICENSE` speaks for `a/b/`, as it does in the source.
    """
    parts = path.split("/")[:-1]
    for index, part in enumerate(parts):
        if part.endswith((".dist-info", ".egg-info")):
            inside = parts[index + 1 :]
            parts = parts[:index] + (inside[1:] if inside[:1] == ["licenses"] else [])
            break
    while parts and parts[-1].lower() in _names().transparent:
        parts.pop()
    return "/".join(parts)


def is_foreign_folder(name: str) -> bool:
    """Return whether each child of a folder of this name is somebody else's code."""
    return name.lower() in _names().foreign
