"""Which language a file is in: Linguist's strategies, in Linguist's order, over whole columns.

Reads paths and texts, returns Linguist names (null: no language known). The order is modeline, file name, `#!`,
extension, XML declaration, manual page, rules over the text, and last `fallback`. A strategy that leaves one candidate
decides, one that leaves several narrows the choice, one that leaves none is passed over.

What a file says is reduced to three small numbers (modeline, name key, interpreter). Their distinct combinations
are few and are resolved once each; only files whose extension is shared are read further, grouped, by RE2.

Differs from Linguist on purpose: an empty text is decided by its name; a file with the extension of a manual page
(`libc.so.6p`) is one only when a rule over its text agrees. Not covered: `.gitattributes` overrides, which are a repository's, not a file's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow as pa

from stack_data.languages.columns import Numbers, Rows, heads, matches, path_column, rows_where, text_column
from stack_data.languages.fallback import choose
from stack_data.languages.heuristics import CONSIDERED_BYTES, first_rules, rules_by_extension
from stack_data.languages.language import languages
from stack_data.languages.modelines import by_interpreter, interpreters, modeline_languages
from stack_data.languages.names import MANUAL_PAGE_LANGUAGES, NameClues, name_clues, name_keys

#: Raised whenever an answer of this package can change; stages store it and refuse to mix answers.
rule_version = 1

UNKNOWN = -1
_XML = r"\A[^\n]*(?:\n[^\n]*)?<\?xml version="


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is left after the strategies that need no look into the text.

    languages    one: decided; several: candidates; none: unknown unless it is XML
    extension    the extension whose rules decide among several
    needs_rule   no rule met means no language at all
    """

    languages: tuple[str, ...]
    extension: str = ""
    needs_rule: bool = False


def narrow(candidates: tuple[str, ...], found: Sequence[str]) -> tuple[str, ...]:
    """Return the candidates that a strategy leaves; one that would leave none is passed over."""
    kept = tuple(name for name in found if not candidates or name in candidates)
    return kept or candidates


def resolve(modeline: str | None, clues: NameClues, program: str | None) -> Outcome:
    """Apply the strategies that need no look into the text."""
    candidates: tuple[str, ...] = (modeline,) if modeline else ()
    for found in (clues.filename, by_interpreter().get(program or "", ()), clues.extension):
        if len(candidates) != 1:
            candidates = narrow(candidates, found)
    if len(candidates) == 1:
        return Outcome(candidates)
    if not candidates and clues.manual_page:
        return Outcome(MANUAL_PAGE_LANGUAGES, clues.key, needs_rule=True)
    if not candidates and clues.generic:
        return Outcome((), clues.key, needs_rule=True)
    return Outcome(candidates, clues.key)


@cache
def _names() -> tuple[str, ...]:
    return tuple(languages())


@cache
def _numbers() -> dict[str, int]:
    return {name: number for number, name in enumerate(_names())}


def _combinations(paths: pa.Array, texts: pa.Array) -> tuple[list[Outcome], Numbers]:
    """Return the distinct outcomes and, for each row, the number of its outcome."""
    modelines = modeline_languages(texts)
    programs, program_names = interpreters(texts)
    keys = name_keys(paths)
    key_codes = keys.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    combined = (key_codes * (len(_names()) + 1) + modelines + 1) * (len(program_names) + 1) + programs + 1
    _, examples, codes = np.unique(combined, return_index=True, return_inverse=True)
    clues = [name_clues(key) for key in keys.dictionary.to_pylist()]
    outcomes = [
        resolve(
            _names()[modelines[row]] if modelines[row] >= 0 else None,
            clues[key_codes[row]],
            program_names[programs[row]] if programs[row] >= 0 else None,
        )
        for row in examples.tolist()
    ]
    return outcomes, codes.astype(np.int64).reshape(-1)


def _decide_by_text(outcome: Outcome, texts: pa.Array) -> Numbers:
    """Return the language numbers of texts that share an outcome which leaves the choice to the text."""
    texts = heads(texts, CONSIDERED_BYTES)
    rules = rules_by_extension().get(outcome.extension, ())
    met = first_rules(outcome.extension, texts)
    decided = np.full(len(texts), UNKNOWN, dtype=np.int64)
    for number in np.unique(met).tolist():
        rows = rows_where(met == number)
        left = rules[number].languages if number >= 0 else () if outcome.needs_rule else outcome.languages
        if len(left) == 1:
            decided[rows] = _numbers()[left[0]]
        elif left:
            chosen = choose(outcome.extension, left, texts.take(pa.array(rows)))
            decided[rows] = [_numbers()[name] for name in chosen]
    return decided


def _decide_xml(texts: pa.Array, rows: Rows, decided: Numbers) -> None:
    """Mark the rows that declare themselves XML."""
    declared = matches(heads(texts.take(pa.array(rows)), 1024), _XML)
    decided[rows[declared]] = _numbers()["XML"]


def detect_languages(names: pa.Array, texts: pa.Array) -> pa.DictionaryArray:
    """Return the Linguist name of the language of every file, or null where none is known.

    `names` are file paths, `texts` the texts beside them; bytes are taken as well as strings. The dictionary of the
    result holds every language, so chunks of a column share it.
    """
    paths, texts = path_column(names), text_column(texts)
    outcomes, codes = _combinations(paths, texts)
    fixed = [_numbers()[outcome.languages[0]] if len(outcome.languages) == 1 else UNKNOWN for outcome in outcomes]
    decided = np.array(fixed, dtype=np.int64)[codes] if len(codes) else np.zeros(0, dtype=np.int64)
    nameless = [number for number, outcome in enumerate(outcomes) if not outcome.languages]
    _decide_xml(texts, rows_where(np.isin(codes, nameless)), decided)
    groups: dict[Outcome, list[int]] = {}
    for number, outcome in enumerate(outcomes):
        if len(outcome.languages) > 1 or outcome.needs_rule:
            groups.setdefault(outcome, []).append(number)
    for outcome, numbers in groups.items():
        rows = rows_where(np.isin(codes, numbers) & (decided == UNKNOWN))
        decided[rows] = _decide_by_text(outcome, texts.take(pa.array(rows)))
    indices = pa.array(decided.astype(np.int32), mask=decided == UNKNOWN)
    return pa.DictionaryArray.from_arrays(indices, pa.array(_names(), pa.string()))


def detect_language(path: str, text: str) -> str | None:
    """Return the Linguist name of the language of one file, or None where none is known."""
    name = pa.array([path.encode("utf-8", "replace").decode()], pa.string())
    content = pa.array([text.encode("utf-8", "replace")], pa.large_binary())
    found: str | None = detect_languages(name, content)[0].as_py()
    return found
