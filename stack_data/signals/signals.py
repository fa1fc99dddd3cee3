"""The standing marks of one repository, joined: which of its paths are reserved, and by which mark.

Pure functions over {path: text} of the signal files and the topics that the host states. Any mark that says no is
enough; the one told is the first of: opt-out file, topic, preferences, TDM reservation, attributes. No text, however
made, raises: what cannot be understood is left out, and rules that are too many to be held against the paths reserve all.
docs/signals.md explains the marks to those who write them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stack_data.signals import attributes, locations, opt_out_file, preferences, tdmrep
from stack_data.signals.locations import Rule
from stack_data.signals.tree import TooMuchWork, Tree
from stack_data.signals.words import shown, words

RULE_VERSION = 1

SIGNAL_PATHS: tuple[str, ...] = (
    *(f"{folder}/{name}" for folder in words().forge_folders for name in words().forge_files),
    *words().root_files,
    preferences.NAME,
    *tdmrep.NAMES,
    attributes.NAME,
)
"""Where the marks of a whole repository stand: what to ask a remote for. `.gitattributes` and forge folders of projects
deeper in the tree are found in the tree itself."""

_UNLISTED = "\x01/\x01"
"""A path that no rule names."""


def candidates() -> str:
    """Return the RE2 pattern of paths that may be signal files."""
    files, folders = "|".join(map(re.escape, words().forge_files)), "|".join(map(re.escape, words().forge_folders))
    roots = "|".join(map(re.escape, words().root_files))
    exact = "|".join(map(re.escape, (preferences.NAME, *tdmrep.NAMES)))
    return rf"(?:^|/)(?:\.gitattributes|(?i:(?:{folders})/(?:{files})))$|^(?:(?i:{roots})|{exact})$"


def is_signal_file(path: str) -> bool:
    """Return whether the file at `path` may hold a mark."""
    return (
        path in (preferences.NAME, *tdmrep.NAMES)
        or path.rpartition("/")[2] == attributes.NAME
        or opt_out_file.folder_of(path) is not None
    )


@dataclass(frozen=True, slots=True)
class Signals:
    """The marks of a repository.

    folders     (folder with its `/`, detail) of what reserves all below it; "" is the repository
    locations   (detail, rules about locations, strongest first)
    """

    folders: tuple[tuple[str, str], ...]
    locations: tuple[tuple[str, tuple[Rule, ...]], ...]
    attributes: attributes.Attributes

    def __bool__(self) -> bool:
        """Whether any mark speaks about training, for or against."""
        return bool(self.folders or self.locations or self.attributes)

    @property
    def everywhere(self) -> str | None:
        """What reserves every file that no rule names: the whole repository, but for exceptions. None: nothing does."""
        return self.of([_UNLISTED])[0]

    def of(self, paths: Sequence[str]) -> list[str | None]:
        """Return for each path what reserves it, or None."""
        codes, details = self.codes(paths)
        return [details[code] if code >= 0 else None for code in codes.tolist()]

    def codes(self, paths: pa.Array | pa.ChunkedArray | Sequence[str]) -> tuple[npt.NDArray[np.int32], list[str]]:
        """Return for each of N paths the index of what reserves it, -1 without: int32[N]; and the details."""
        whole = next((detail for folder, detail in self.folders if not folder), None)
        if whole is not None:
            return np.zeros(len(paths), np.int32), [whole]
        tree = Tree(paths)
        found = np.full(len(tree), -1, np.int32)
        details: list[str] = []
        try:
            self._decide(tree, found, details)
        except TooMuchWork:
            found[found < 0] = len(details)
            details.append("more rules about training than can be read")
        codes = np.empty(len(tree), np.int32)
        codes[tree.order] = found
        return codes, details

    def _decide(self, tree: Tree, found: npt.NDArray[np.int32], details: list[str]) -> None:
        for folder, detail in self.folders:
            rows = tree.beginning_with(folder.encode("utf-8", "backslashreplace"))
            below = found[rows]
            below[below < 0] = len(details)
            details.append(detail)
        for detail, rules in self.locations:
            found[locations.decide(rules, tree) & (found < 0)] = len(details)
            details.append(detail)
        if self.attributes:
            codes, told = self.attributes.decide(tree)
            mine = (codes >= 0) & (found < 0)
            found[mine] = codes[mine] + len(details)
            details += told


def reserved(files: Mapping[str, str | None], topics: Iterable[str] = ()) -> Signals:
    """Return the marks of a repository.

    files   texts by path; None for a file that is there and has no text (empty, binary, a link); others than signal files
            are left alone
    topics  as its host states them
    """
    folders = [
        (f"{folder}/" if folder else "", f"{shown(path)}: opt-out")
        for path, text in sorted(files.items(), key=lambda file: (file[0].count("/"), file[0]))
        if (folder := opt_out_file.folder_of(path)) is not None and opt_out_file.opts_out(text)
    ]
    stated = sorted({re.sub(r"[\s_]+", "-", topic.strip().lower()) for topic in topics} & words().topics)
    folders += [("", f"topic {topic}") for topic in stated]
    texts = {path: text for path, text in files.items() if text}
    by_location = []
    if preferences.NAME in texts:
        rules = preferences.rules_of(texts[preferences.NAME])
        by_location.append((f"{preferences.NAME}: train-ai=n", tuple(rules)))
    for name in tdmrep.NAMES:
        if name in texts:
            by_location.append((f"{name}: tdm-reservation 1", tuple(tdmrep.rules_of(texts[name]))))
    speaking = tuple((detail, rules) for detail, rules in by_location if rules)
    return Signals(tuple(folders), speaking, attributes.Attributes(texts))
