"""`.ai-preferences`: preferences in the vocabulary of the IETF's aipref group (draft-ietf-aipref-vocab, -attach).

Pure functions. Each line is a dictionary (RFC 9651), alone or as the value of `Content-Usage:`, with or without a path
before it: `train-ai=n`, `Content-Usage: /src train-ai=n, search=y`. `train-ai` is the one category that is about training;
`n` and `y` are its values, all others leave it unknown. The longest path that reaches a file decides, `n` wins where the same
path is named twice. A line that does not mention training takes nothing back. Labels of older drafts are logged and not
honoured, and so are other fields (`User-Agent`): the file is not robots.txt, whose groups speak of a site's visitors.
"""

from __future__ import annotations

import logging
import re

from stack_data.signals.locations import Rule
from stack_data.signals.words import head

log = logging.getLogger(__name__)

NAME = ".ai-preferences"
_TRAINING, _SEARCH = "train-ai", "search"
_FIELD = re.compile(r"([A-Za-z][A-Za-z0-9-]*)[ \t]*:(.*)")
_COMMENT = re.compile(r"(?:^|[ \t])#.*")
_MAX_LOGGED = 10


def rules_of(text: str) -> list[Rule]:
    """Return what is said of training, the longest path first."""
    rules: set[Rule] = set()
    unknown: dict[str, None] = {}
    for line in head(text).decode("utf-8", "replace").splitlines():
        path, members = _line(line)
        for key, value in members:
            if key == _TRAINING and value in ("y", "n"):
                rules.add(Rule(path, value == "n"))
            elif key and key != _SEARCH:
                unknown[f"{key}={value}"] = None
    for one in list(unknown)[:_MAX_LOGGED]:
        log.info("%s: %.60r is no preference that is known, and is not honoured", NAME, one)
    return sorted(rules, key=lambda rule: (-len(rule.location), not rule.is_reserved, rule.location))


def _line(line: str) -> tuple[str, list[tuple[str, str]]]:
    """Return the path of a line, "" without, and the members of its dictionary."""
    content = _COMMENT.sub("", line).strip()
    field = _FIELD.fullmatch(content)
    if field:
        if field[1].lower() != "content-usage":
            return "", [(field[1], "")] if field[1] else []
        content = field[2].strip()
    path = ""
    if content.startswith(("/", "*")):
        path, _, content = content.replace("\t", " ").partition(" ")
    # "n" in quotes is meant as n; what else is quoted may hold commas and is no preference.
    content = re.sub(r'"[^"]*"', '""', re.sub(r'"([yn])"', r"\1", content))
    return path, [_member(member) for member in content.split(",")]


def _member(member: str) -> tuple[str, str]:
    key, _, value = member.partition(";")[0].partition("=")
    return key.strip(), value.strip()
