"""From the names people write ("Apache 2.0", "New BSD License") to SPDX expressions.

Reads the tables `license_names` and `spdx_licenses`. A name is looked up whole: what is not in the tables is
unknown, never guessed. Lists joined by "and", "or", "/" or commas are split when every part is a known name.
"""

from __future__ import annotations

import functools
import re

from stack_data.licenses import expressions
from stack_data.tables import load_table

_DROPPED = re.compile(r"\b(?:the|an?|licen[sc]ed?|licenses|software|under|terms|version|open source|dual)\b")
_VERSION = re.compile(r"\bv\.?\s*(?=\d)")
_LATER = re.compile(
    r"\(?\s*(?:,|;)?\s*(?:or|and)(?:\s*\(at your option\))?\s*(?:,\s*at your option\s*,\s*)?"
    r"\s*(?:any\s+)?(?:later|newer|greater|above|higher)(?:\s+versions?)?\s*\)?"
)
_SPLIT = re.compile(r"\s*(?:\band/or\b|\bor\b|\band\b|[/,;&|])\s*", re.IGNORECASE)
MAX_NAME_CHARS = 200


def fold(name: str) -> str:
    """Return the form in which licence names are compared."""
    text = _VERSION.sub("", name.casefold().replace("licence", "license"))
    text = _LATER.sub(" or later ", text)
    text = _DROPPED.sub(" ", text)
    return " ".join(re.findall(r"[a-z0-9]+\+?", text))


@functools.cache
def _names() -> dict[str, str]:
    listed = load_table("spdx_licenses")["licenses"]
    table = {fold(entry["name"]): entry["id"] for entry in listed}
    # SPDX's "BSD 3-Clause "New" or "Revised" License" and the like stand under both their names.
    table |= {fold(entry["id"]): entry["id"] for entry in listed}
    table |= {fold(name): expression for name, expression in load_table("license_names")["names"].items()}
    table.pop("", None)
    return {name: expressions.parse(expression) or expression for name, expression in table.items()}


@functools.lru_cache(16384)
def expression_of(name: str) -> str | None:
    """Return the SPDX expression that a name, an id or an expression stands for, or None."""
    text = name.strip().strip("\"'`").strip()
    if not text or len(text) > MAX_NAME_CHARS:
        return None
    folded = fold(text)
    known = _names().get(folded)
    if known:
        return known
    parsed = expressions.parse(text)
    if parsed:
        return parsed
    without_note = re.sub(r"\s*[(\[<].*?[)\]>]\s*$", "", text)
    if without_note != text and without_note:
        return expression_of(without_note)
    return _list_of(text)


def _list_of(text: str) -> str | None:
    parts = [part for part in _SPLIT.split(text) if part]
    if len(parts) < 2:
        return None
    known = [_names().get(fold(part)) or expressions.parse(part) for part in parts]
    if not all(known):
        return None
    found = [expression for expression in known if expression]
    either = re.search(r"\bor\b|/|\||dual", text, re.IGNORECASE)
    return expressions.any_of(found) if either else expressions.all_of(found)


def classifier_expression(classifier: str) -> str | None:
    """Return what a trove classifier says about the licence: an expression, "" for nothing, None for unknown."""
    parts = [part.strip() for part in classifier.split("::")]
    if parts[0] != "License":
        return ""
    table = load_classifiers()
    if parts[-1] in table:
        return table[parts[-1]]
    if parts[-1] in ("License", "OSI Approved"):
        return ""
    return expression_of(parts[-1])


@functools.cache
def load_classifiers() -> dict[str, str]:
    """Return the classifiers whose last part is no plain name."""
    return dict(load_table("license_names")["classifiers"])
