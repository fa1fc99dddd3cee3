"""The choice that is left when several languages share an extension and no rule over the text decides.

Linguist trains a Bayesian classifier on samples here. We use what can be derived from published grammars instead:
a word that the grammars of only some of the candidates list is evidence for those, the more the fewer they
are; so is the sign that begins comment lines. Each distinct word counts once, comment lines not at all. The language
that files of the extension mostly are in (the table's default) starts ahead, and wins where nothing is said.

Reads the table linguist_keywords (words, defaults). Given up: languages without a grammar there can be found only by
default, rule, modeline or `#!`. docs/languages.md has how often this is right on files of known language.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from functools import cache

import pyarrow as pa

from stack_data.languages.columns import heads
from stack_data.languages.tables import read_table

CONSIDERED_BYTES = 8 * 1024

#: The start of the default, in the unit of one word that a single candidate of two knows (log 2).
DEFAULT_AHEAD = 2 * math.log(2)

#: Up to so many words in a grammar's list, every hit counts fully.
PLAIN_LIST_WORDS = 100

#: What one kind of comment line is worth in words, and in how many lines at least it must show.
COMMENT_WORDS = 4
MIN_COMMENT_LINES = 2

#: Signs that begin a comment line, each with the languages that share an extension and use it.
COMMENT_SIGNS = {
    "%": "MATLAB, TeX, Prolog, Erlang, Mercury, Turing",
    "#": "MATLAB, Perl, Raku, Puppet, R, BitBake, GDScript, INI, Python, Ruby, Shell, Salt, Kickstart, Elixir, Nginx, Makefile, GAP",
    "//": "C, C++, Objective-C, Objective-C++, JavaScript, PHP, Scala, Rust, D, C#, F#, Verilog, V, HLSL, GLSL, Apex, Pawn, "
    "SourcePawn",
    "--": "SQL, PLSQL, Eiffel, Euphoria, Terra, HiveQL",
    ";": "Assembly, INI, Common Lisp, Scheme, NewLisp, IDL, Motorola 68K Assembly",
    "(*": "Rocq Prover, Wolfram Language, OCaml, Standard ML, Pascal",
    "{": "Pascal",
    "!": "Fortran",
    "'": "VBA, BASIC, QuickBASIC, FreeBASIC",
    "\\": "Forth",
}

_WORD = re.compile(r"[A-Za-z_]\w+", re.ASCII)
_COMMENT = re.compile(r"^[ \t]*(%|#(?!\w)|//|--|;|\(\*|\{(?=[ A-Za-z]|\s*$)|!|'|\\(?= )|/?\*)[^\n]*", re.M)
_STRING = re.compile(r"\"[^\"\n]*\"")


@cache
def _signs() -> dict[str, frozenset[str]]:
    """Return the languages that begin comment lines with each sign."""
    return {sign: frozenset(names.split(", ")) for sign, names in COMMENT_SIGNS.items()}


@cache
def _certainty(name: str) -> float:
    """Return how much a hit in a grammar's list of words is worth: a long list is hit by chance more often."""
    num_words = len(read_table("linguist_keywords")["keywords"][name]["words"])
    return min(1.0, math.sqrt(PLAIN_LIST_WORDS / num_words))


@cache
def _weights(candidates: tuple[str, ...]) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
    """Return which of the candidates know a word as it is written, and which know it in any case."""
    exact: dict[str, tuple[str, ...]] = {}
    folded: dict[str, tuple[str, ...]] = {}
    keywords = read_table("linguist_keywords")["keywords"]
    for name in candidates:
        known = keywords.get(name, {"folded": False, "words": []})
        words = folded if known["folded"] else exact
        for word in known["words"]:
            word = word.lower() if known["folded"] else word
            words[word] = (*words.get(word, ()), name)
    return exact, folded


def default_of(extension: str, candidates: Sequence[str]) -> str:
    """Return the candidate that files of the extension mostly are in."""
    chosen: str | None = read_table("linguist_keywords")["defaults"].get(extension)
    return chosen if chosen and chosen in candidates else min(candidates)


def scores(candidates: tuple[str, ...], text: str) -> dict[str, float]:
    """Return how much the words and comment lines of a text speak for each candidate."""
    exact, folded = _weights(candidates)
    found = dict.fromkeys(candidates, 0.0)
    signs = [match[1] for match in _COMMENT.finditer(text)]
    for word in set(_WORD.findall(_STRING.sub(" ", _COMMENT.sub(" ", text)))):
        knowing = {*exact.get(word, ()), *folded.get(word.lower(), ())}
        for name in knowing:
            found[name] += _certainty(name) * math.log(len(candidates) / len(knowing))
    for sign, languages in _signs().items():
        if signs.count(sign) >= MIN_COMMENT_LINES:
            using = languages & found.keys()
            for name in using:
                found[name] += COMMENT_WORDS * math.log(len(candidates) / len(using))
    return found


def choose(extension: str, candidates: Sequence[str], texts: pa.Array) -> list[str]:
    """Return the likeliest candidate for each text; candidates that tie go by name."""
    names = tuple(sorted(candidates))
    default = default_of(extension, names)
    chosen = []
    for text in heads(texts, CONSIDERED_BYTES).to_pylist():
        found = scores(names, text.decode("utf-8", "replace"))
        found[default] += DEFAULT_AHEAD
        chosen.append(max(names, key=lambda name: (found[name], name == default)))
    return chosen
