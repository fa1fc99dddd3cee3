"""`data license` and `data language`: what the builder would say of single files, with evidence. No build is needed.

A path that is a folder is walked and judged as one repository, so the verdicts of its files are those a build of that
folder would give; a single file is judged by itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from stack_data.config import LicenseConfig
from stack_data.errors import InputError
from stack_data.languages import detect_language
from stack_data.licenses import curations
from stack_data.licenses.evidence import Evidence
from stack_data.licenses.files import folder_of, kind_of
from stack_data.licenses.headers import evidence_in
from stack_data.licenses.policy import Policy, policy_of
from stack_data.licenses.reading import evidence_of
from stack_data.licenses.tree import Tree, Verdict, join_level, verdict_of
from stack_data.reasons import Reason
from stack_data.sources.folders import list_tree
from stack_data.text import text_of

MAX_BYTES = 10 * 1024 * 1024


def read_text(path: Path) -> str | Reason:
    """Return a file's text, or why it has none; InputError when it cannot be read."""
    try:
        if path.stat().st_size > MAX_BYTES:
            return Reason.TOO_LARGE
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    return text_of(content)


def languages_of_paths(paths: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield {"path", "language"} for each file, folders walked."""
    for shown, path in _files(paths):
        text = read_text(path)
        yield {"path": shown, "language": None if isinstance(text, Reason) else detect_language(shown, text)}


def _files(paths: Sequence[str]) -> Iterator[tuple[str, Path]]:
    for given in paths:
        path = Path(given)
        if path.is_dir():
            for listed in list_tree(given, lambda name: name.endswith(".git/")):
                if listed.reason is None:
                    yield f"{given.rstrip('/')}/{listed.path}", path / listed.path
        else:
            yield given, path


def licenses_of_paths(paths: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield {"path", "license", "permissive", "evidence"} for each file, folders walked."""
    policy, known = policy_of(LicenseConfig()), curations.load().texts
    for given in paths:
        if Path(given).is_dir():
            yield from _folder(given, policy, known)
        else:
            yield _file(given, policy, known)


def _answer(path: str, verdict: Verdict) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "path": path, "license": None if verdict.license_type == "unknown" else verdict.expression, "permissive": verdict.reason is None,
        "evidence": [one.to_json() for one in verdict.evidence],
    }  # fmt: skip
    if verdict.reason:
        answer["reason"] = verdict.reason.value
        answer["detail"] = verdict.detail
    return answer


def _unread(path: str, reason: Reason) -> dict[str, Any]:
    return {"path": path, "license": None, "permissive": False, "evidence": [], "reason": reason.value}


def _file(given: str, policy: Policy, known: Mapping[str, curations.Curation]) -> dict[str, Any]:
    text = read_text(Path(given))
    if isinstance(text, Reason):
        return _unread(given, text)
    kind = kind_of(given)
    if kind:
        evidence = evidence_of(given, text, kind, known)
        # Sections that name other files describe those; here the file itself was asked about.
        joined = join_level([Evidence(**{**_fields(one), "files": ()}) for one in evidence])
        return _answer(given, verdict_of(joined, (), (), None, policy))
    return _answer(given, verdict_of(join_level(()), evidence_in(text), (), None, policy))


def _fields(evidence: Evidence) -> dict[str, Any]:
    return {name: getattr(evidence, name) for name in Evidence.__slots__}


def _folder(given: str, policy: Policy, known: Mapping[str, curations.Curation]) -> Iterator[dict[str, Any]]:
    root = Path(given)
    listing = [one for one in list_tree(given, lambda name: name.endswith(".git/")) if one.reason is None]
    texts = {one.path: read_text(root / one.path) for one in listing}
    levels: dict[str, list[Evidence]] = defaultdict(list)
    for path, text in texts.items():
        kind = kind_of(path)
        if kind and isinstance(text, str):
            levels[folder_of(path)] += evidence_of(path, text, kind, known)
    tree = Tree(levels)
    for path, text in texts.items():
        shown = f"{given.rstrip('/')}/{path}"
        if isinstance(text, Reason):
            yield _unread(shown, text)
        else:
            joined = tree.joined(path.rpartition("/")[0])
            header = () if kind_of(path) in ("license", "notice", "page") else evidence_in(text)
            yield _answer(shown, verdict_of(joined, header, tree.scoped_for(path), None, policy))
