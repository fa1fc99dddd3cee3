"""Rules over the text that tell apart the languages sharing an extension, as Linguist orders them.

Reads the table linguist_heuristics. A group of files is decided rule by rule with RE2 over the column of their
first bytes; a file leaves the group at the first rule it meets. One file and a column go through the same code.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow as pa

from stack_data.languages.columns import Mask, Numbers, matches
from stack_data.languages.tables import read_table

#: How much of a text the rules look at; Linguist's limit.
CONSIDERED_BYTES = 50 * 1024


@dataclass(frozen=True, slots=True)
class Rule:
    """The languages a text may be in if every condition (pattern, whether it must occur) holds."""

    languages: tuple[str, ...]
    conditions: tuple[tuple[str, bool], ...]


@cache
def rules_by_extension() -> dict[str, tuple[Rule, ...]]:
    """Return the ordered rules of each extension; `^` and `$` of their patterns mean lines."""
    found: dict[str, tuple[Rule, ...]] = {}
    for group in read_table("linguist_heuristics")["disambiguations"]:
        rules = tuple(
            Rule(
                tuple(rule["languages"]),
                tuple((f"(?m){pattern}", wanted) for wanted, pattern in rule["conditions"]),
            )
            for rule in group["rules"]
        )
        for extension in group["extensions"]:
            found.setdefault(extension, rules)
    return found


def holds(rule: Rule, texts: pa.Array) -> Mask:
    """Return which texts meet every condition of a rule."""
    mask = np.ones(len(texts), dtype=bool)
    for pattern, wanted in rule.conditions:
        mask &= matches(texts, pattern) == wanted
    return mask


def first_rules(extension: str, texts: pa.Array) -> Numbers:
    """Return for each text the number of the first rule of its extension that it meets, or -1."""
    decided = np.full(len(texts), -1, dtype=np.int64)
    left = np.arange(len(texts))
    for number, rule in enumerate(rules_by_extension().get(extension, ())):
        met = holds(rule, texts)
        decided[left[met]] = number
        if met.all():
            break
        if met.any():
            left = left[~met]
            texts = texts.filter(pa.array(~met))
    return decided
