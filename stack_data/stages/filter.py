"""The filter stage: is a text worth training on? Decided per (content, language, file name), aligned with provenance/.

Every rule is a column of values beside a column of limits, which differ by language (filters/profiles.py); the first
rule that a text breaks is its reason, with value and limit as detail. Places whose content was never read are kept
here: the fetch step has already dropped them. Budgets of languages depend on all contents and are no rule of a
place: rows.py draws them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stack_data.config import FilterConfig
from stack_data.filters import html, measures
from stack_data.filters.profiles import Limits
from stack_data.languages import mentions_generated
from stack_data.notebooks import fault_of
from stack_data.pii import findings
from stack_data.reasons import Reason
from stack_data.records import FILTER_DECISIONS
from stack_data.stages.decisions import decision_columns

RULE_VERSION = 1000 * measures.RULE_VERSION + 10 * html.RULE_VERSION + 3
NOTEBOOK = "Jupyter Notebook"
_HEAD_CHARS = 100

Mask = npt.NDArray[np.bool_]
Values = npt.NDArray[Any]


class Broken(NamedTuple):
    """The rows that break a rule, and in what way: detail string[N] or None."""

    reason: Reason
    rows: Mask
    detail: pa.Array | None = None


class Places(NamedTuple):
    """What is decided about: N places. texts: large_string[N], null where never read; the rest without nulls.

    paths         string[N]
    languages     Linguist's names, null where unknown: string[N]
    conversions   how the text was made from the content, empty for plain decoding: string[N]
    is_generated  bool[N]
    """

    ids: pa.Array
    paths: pa.Array
    languages: pa.Array
    conversions: pa.Array
    is_generated: Mask
    texts: pa.Array


def decide(places: Places, config: FilterConfig, secrets: Sequence[str] = ()) -> pa.Table:
    """Return the decisions about places. secrets: kinds of personal data and secrets that no path may hold."""
    read = np.asarray(places.texts.is_valid())
    limits = Limits(places.languages, config)
    codes, details = np.full(len(read), -1), pa.nulls(len(read), pa.string())
    reasons: list[Reason] = []
    for broken in _broken(places, places.texts.fill_null(""), limits, secrets):
        fresh = broken.rows & read & (codes < 0)
        if not fresh.any():
            continue
        codes[fresh] = len(reasons)
        reasons.append(broken.reason)
        if broken.detail is not None:
            details = pc.if_else(pa.array(fresh), broken.detail, details)
    return pa.table(decision_columns(places.ids, codes, reasons, details)).cast(FILTER_DECISIONS)


def _broken(places: Places, texts: pa.Array, limits: Limits, secrets: Sequence[str]) -> Iterator[Broken]:
    """Yield every rule with the places that break it, in the order in which they are named."""
    notebooks = np.asarray(pc.equal(places.languages, NOTEBOOK).fill_null(False))
    plain = np.asarray(pc.equal(places.conversions, ""))
    yield _unreadable(notebooks & plain & limits.holds("unreadable_notebooks"), texts)
    yield Broken(Reason.GENERATED, places.is_generated & limits.holds("generated"))
    yield Broken(Reason.GENERATED_PHRASE, _where(limits.holds("generated_phrases"), texts, _mentions))
    measured = measures.measure(texts)
    yield _above(Reason.TOO_MANY_LINES, measured.num_lines, limits.values("max_lines"), "lines")
    average = limits.values("max_average_line_chars")
    yield _above(Reason.LONG_LINES, measured.avg_line_length, average, "average line")
    yield _above(Reason.LONG_LINE, measured.max_line_length, limits.values("max_line_chars"), "longest line")
    yield _below(Reason.FEW_LETTERS, measured.letter_fraction, limits.values("min_letters"), "share of letters")
    yield _below(
        Reason.FEW_ALPHANUMERICS,
        measured.alphanum_fraction,
        limits.values("min_alphanumerics"),
        "share of letters and digits",
    )
    yield _above(Reason.ENCODED_DATA, measured.encoded_longest, limits.values("max_encoded_chars"), "longest run")
    share = measured.encoded_chars / np.maximum(measured.num_chars, 1)
    yield _above(Reason.ENCODED_DATA, share, limits.values("max_encoded_share"), "share of encoded data")
    yield _below(Reason.TOO_SHORT, measured.num_chars, limits.values("min_chars"), "characters")
    yield _above(Reason.TOO_LONG, measured.num_chars, limits.values("max_chars"), "characters")
    yield from _little_visible(texts, measured.num_chars, limits)
    yield Broken(Reason.XML_DECLARATION, _where(limits.holds("xml_declarations"), texts, _declares_xml))
    yield _other_names(pc.replace_substring_regex(places.paths, r"\A.*/", ""), limits)
    yield _secrets_in_paths(places.paths, secrets)


def _unreadable(rows: Mask, texts: pa.Array) -> Broken:
    faults = [fault_of(texts[row].as_py()) if holds else None for row, holds in enumerate(rows.tolist())]
    return Broken(Reason.NOTEBOOK_UNREADABLE, rows, pa.array(faults, pa.string()))


def _secrets_in_paths(paths: pa.Array, kinds: Sequence[str]) -> Broken:
    rows = np.zeros(len(paths), bool)
    if kinds:
        # Texts are judged line by line, and so is each name in a path; endings such as .py and .md are domains too.
        names = pc.replace_substring(pc.replace_substring_regex(paths, r"\.[^./]*\z", ""), "/", "\n")
        names = names.cast(pa.large_string())
        found = findings.find(names, tuple(kinds))
        rows[[row for row, spans in found.items() if spans]] = True
    return Broken(Reason.SECRET_IN_PATH, rows)


def _above(reason: Reason, values: Values, limits: Values, what: str) -> Broken:
    rows = (limits > 0) & (values > limits)
    return Broken(reason, rows, _words(rows, what, values, limits))


def _below(reason: Reason, values: Values, limits: Values, what: str) -> Broken:
    rows = (limits > 0) & (values < limits)
    return Broken(reason, rows, _words(rows, what, values, limits))


def _words(rows: Mask, what: str, values: Values, limits: Values) -> pa.Array | None:
    """Return value and limit in words where `rows` holds, such as "share of letters 0.12, limit 0.25"."""
    if not rows.any():
        return None
    shown = [pa.array(np.where(rows, one, 0)) for one in (values, limits)]
    texts = [(pc.round(one, 3) if pa.types.is_floating(one.type) else one).cast(pa.string()) for one in shown]
    return pc.binary_join_element_wise(what + " ", texts[0], ", limit ", texts[1], "")


def _where(rows: Mask, texts: pa.Array, holds: Callable[[pa.Array], Mask]) -> Mask:
    """Return where a test holds, asked of the rows alone that it concerns."""
    found = np.zeros(len(rows), bool)
    chosen = np.flatnonzero(rows)
    if len(chosen):
        found[chosen] = holds(texts if len(chosen) == len(rows) else texts.take(pa.array(chosen)))
    return found


def _mentions(texts: pa.Array) -> Mask:
    return np.asarray(mentions_generated(texts))


def _declares_xml(texts: pa.Array) -> Mask:
    return np.asarray(pc.match_substring(pc.utf8_slice_codeunits(texts, 0, _HEAD_CHARS), "<?xml version="))


def _little_visible(texts: pa.Array, chars: Values, limits: Limits) -> Iterator[Broken]:
    least, share = limits.values("min_visible_chars"), limits.values("min_visible_share")
    chosen = np.flatnonzero((least > 0) | (share > 0))
    if not len(chosen):
        return
    visible = np.zeros(len(chars), np.int64)
    visible[chosen] = html.visible_chars(texts.take(pa.array(chosen)))
    yield _below(Reason.LITTLE_VISIBLE_TEXT, visible, least, "visible characters")
    yield _below(Reason.LITTLE_VISIBLE_TEXT, visible / np.maximum(chars, 1), share, "share of visible text")


def _other_names(names: pa.Array, limits: Limits) -> Broken:
    rows = np.zeros(len(names), bool)
    for rules, places in limits.by_language():
        if (rules.name_contains or rules.stems) and len(places):
            lower = pc.utf8_lower(names.take(pa.array(places)))
            found = pc.is_in(pc.replace_substring_regex(lower, r"(.)\.[^.]*$", r"\1"), pa.array(rules.stems or ()))
            for part in rules.name_contains or ():
                found = pc.or_(found, pc.match_substring(lower, part.lower()))
            rows[places] = ~np.asarray(found)
    return Broken(Reason.FILE_NAME, rows)
