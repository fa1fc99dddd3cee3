"""What people type into keyword search, as clauses that all must hold.

    parse request           both words, in the text or in the path of a file, in any order
    "http request"          these words in a row, however they are joined: http_request, HttpRequest, http.request
    parseHTTPRequest        its words in a row; files that hold the identifier as it is written come first
    exact:parseHTTPRequest  the identifier as it is written, capitals included (a word that is no compound: in any)
    path:src/net            words in a row in a path
    repo:pallets/flask      a repository, or repo:pallets an owner; also host/owner/repo and clone URLs
    lang:Python  license:MIT   by any name that Linguist and SPDX know; a licence also where it is one of several
    -word -"a phrase" -path:tests ...   none of it

Pure functions. Signs other than letters, digits and `_` only separate words. Not covered: OR, wild cards, regular expressions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from stack_data.errors import ConfigError, InputError
from stack_data.optout.written_names import shown
from stack_data.search.clone_urls import asked_of
from stack_data.search.code_words import words_of

MOST_CLAUSES = 32
MOST_CHARACTERS = 2000

TEXT, EXACT, PATH, REPOSITORY, LANGUAGE, LICENSE = "text", "exact", "path", "repo", "lang", "license"
_FIELDS = {
    "text": TEXT, "exact": EXACT, "path": PATH, "repo": REPOSITORY, "repository": REPOSITORY, "lang": LANGUAGE,
    "language": LANGUAGE, "license": LICENSE, "licence": LICENSE,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Clause:
    """One condition. words: in a row, in small letters (TEXT, PATH, EXACT); value: as it was typed, without quotes."""

    field: str
    value: str
    words: tuple[str, ...] = ()
    excluded: bool = False


_PIECE = re.compile(r'(-)?(?:([A-Za-z]+):)?(?:"([^"]*)"?|(\S+))')


def clauses_of(text: str) -> tuple[Clause, ...]:
    """Return the clauses of a query; InputError when it holds nothing to look for, or too much."""
    if len(text) > MOST_CHARACTERS:
        raise InputError(
            f"the query has {len(text):,} characters, at most {MOST_CHARACTERS:,}; search for code with: search snippet"
        )
    found = [clause for piece in _PIECE.finditer(text) for clause in _clauses(piece)]
    if len(found) > MOST_CLAUSES:
        raise InputError(
            f"the query has {len(found)} words and filters, at most {MOST_CLAUSES}; search for code with: search snippet"
        )
    if not any(not one.excluded for one in found):
        raise InputError(
            f'{shown(text)!r} holds no word to search for; write words, "a phrase", path:, repo:, lang: or license:'
        )
    return tuple(dict.fromkeys(found))


def _clauses(piece: re.Match[str]) -> list[Clause]:
    excluded, name, quoted, bare = bool(piece[1]), (piece[2] or "").lower(), piece[3], piece[4]
    value = quoted if quoted is not None else bare
    field = _FIELDS.get(name)
    if field is None:
        # `std::vector`, `http://...` and the like: no field, only words.
        field, value = TEXT, f"{piece[2]}:{value}" if piece[2] else value
    if not piece[2] and quoted is None and value[:-1].lower() in _FIELDS and value.endswith(":"):
        raise InputError(
            f'{value} names nothing: what is meant follows without a space, {value}NAME; to search for the word itself: "{value[:-1]}"'
        )
    if not value.strip():
        return []
    if field in (TEXT, PATH, EXACT):
        lexemes = words_of(value)
        if field == EXACT and len(lexemes) > 1:
            raise InputError(
                f'exact:{shown(value)} is no identifier but {len(lexemes)}; a phrase is written in quotes: "{value.strip()}"'
            )
        words = tuple(word for lexeme in lexemes for word in lexeme)
        return [Clause(field, value.strip(), words, excluded)] if words else []
    known = {LANGUAGE: _language, LICENSE: _license}.get(field, str.strip)
    return [Clause(field, known(value), (), excluded)]


def _language(value: str) -> str:
    from stack_data.languages.language import language_named

    try:
        return language_named(value)
    except ConfigError as error:
        raise InputError(str(error)) from None


def _license(value: str) -> str:
    from stack_data.licenses.expressions import ids, near, parse

    found = parse(value)
    if found and len(ids(found)) > 1:
        raise InputError(f"license:{shown(value)} names several licences; write a filter for each: license:A license:B")
    if found is None:
        meant = f"; did you mean {near(value)!r}?" if near(value) else ""
        raise InputError(f"no licence is called {shown(value)!r}{meant}")
    return found


def repository_term(value: str, hosts: tuple[str, ...] = ()) -> str:
    """Return what the field `repository` is asked for: folded host/owner/repo, or as much as was given, with `*` for the rest."""
    asked = asked_of(value, hosts)
    return f"{asked.host or '*'}/{asked.owner}/{asked.repo or '*'}"
