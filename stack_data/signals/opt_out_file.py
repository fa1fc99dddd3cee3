"""`.github/ai-opt-out` and its like: a file that opts its project out of training.

Pure functions. The name says it, so an empty file, one that cannot be read and one that says anything else count; only a
file whose statements all say `opt-out: false` (or whose one word is `false`) does not. The statements are lines `key: value`
as YAML, INI files or JSON write them; case, quotes, white space and comments do not matter.

In a forge's folder it speaks for the folder that holds that one, so `third_party/x/.github/ai-opt-out` reaches
`third_party/x/` and nothing else; under its own name it counts in the root alone, since deeper it may be anything.
"""

from __future__ import annotations

import re

from stack_data.signals.words import head, words

_COMMENT = re.compile(r"(?:^|\s)(?:#|//).*")
_MARKS = " \t\r\f\v{}[],;'\"`"


def folder_of(path: str) -> str | None:
    """Return the folder that the file at `path` speaks for ("" is the root), or None when it is no such file."""
    folder, _, name = path.rpartition("/")
    project, _, forge = folder.rpartition("/")
    if forge.lower() in words().forge_folders and name.lower() in words().forge_files:
        return project
    return "" if path.lower() in words().root_files else None


def opts_out(text: str | None) -> bool:
    """Return whether a file of that name opts out. None: it could not be read."""
    if text is None:
        return True
    lines = [_COMMENT.sub("", line).strip(_MARKS) for line in head(text).decode("utf-8", "replace").splitlines()]
    pieces = [piece for line in lines for piece in line.split(",") if piece.strip(_MARKS)]
    said = [value for key, value in map(_statement, pieces) if key in words().opt_out_keys]
    if not said and len(pieces) == 1:
        said = [_folded(pieces[0])]
    return not said or any(value not in words().no for value in said)


def _statement(piece: str) -> tuple[str, str]:
    key, _, value = piece.replace("=", ":", 1).partition(":")
    return re.sub(r"[\s_]+", "-", _folded(key).removeprefix("- ")), _folded(value)


def _folded(word: str) -> str:
    return word.strip(_MARKS).lower()
