"""SPDX expressions: parsing, joining, and the question whether one is permissive.

Parsing and rendering are the `license-expression` library's. Added here: `LicenseRef-` ids are accepted, old
slash notation (`MIT/Apache-2.0`, as Cargo once wrote) means OR, and family references (a name such as "BSD
License" that does not say which one) are ids of their own, permissive only when every member is.
"""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from license_expression import ExpressionError, LicenseWithExceptionSymbol, get_spdx_licensing

FAMILIES: dict[str, tuple[str, ...]] = {
    "LicenseRef-family-BSD": ("BSD-2-Clause", "BSD-3-Clause", "BSD-4-Clause"),
    "LicenseRef-family-Apache": ("Apache-1.0", "Apache-1.1", "Apache-2.0"),
    "LicenseRef-family-PSF": ("PSF-2.0", "Python-2.0"),
    "LicenseRef-family-AFL": ("AFL-1.1", "AFL-1.2", "AFL-2.0", "AFL-2.1", "AFL-3.0"),
    "LicenseRef-family-ZPL": ("ZPL-1.1", "ZPL-2.0", "ZPL-2.1"),
}
"""What a name without a version may mean."""

PUBLIC_DOMAIN = "LicenseRef-public-domain"
"""A dedication to the public domain without a licence's text."""

GRANTS = frozenset({"LicenseRef-google-patent-grant"})
"""Grants beside a licence that the list of exceptions lacks."""

_SLASH = re.compile(r"(?<=[A-Za-z0-9.+])\s*/\s*(?=[A-Za-z0-9(])")


@functools.cache
def _licensing() -> Any:
    made = get_spdx_licensing()
    # Built at first use, and seen half built by other threads; so it is made before they can see it.
    made.get_advanced_tokenizer()
    return made


@functools.lru_cache(65536)
def parse(expression: str) -> str | None:
    """Return the expression in normal form (current ids, single spaces), or None when it is no SPDX expression."""
    tree = _tree(expression)
    return None if tree is None else str(tree.render())


@functools.lru_cache(65536)
def _tree(expression: str) -> Any:
    text = _SLASH.sub(" OR ", expression.strip())
    if not text or len(text) > 5000:
        return None
    licensing = _licensing()
    try:
        tree = licensing.parse(text)
    except (ExpressionError, ValueError, TypeError):
        return None
    if tree is None:
        return None
    unknown = licensing.unknown_license_keys(tree)
    if any(not key.startswith(("LicenseRef-", "DocumentRef-")) for key in unknown):
        return None
    return tree


def all_of(expressions: Iterable[str]) -> str | None:
    """Join expressions by AND, each once, sorted; None when there are none."""
    return _join(expressions, " AND ")


def any_of(expressions: Iterable[str]) -> str | None:
    """Join expressions by OR, each once, sorted; None when there are none."""
    return _join(expressions, " OR ")


@functools.lru_cache(65536)
def _join_sorted(expressions: tuple[str, ...], operator: str) -> str | None:
    if not expressions:
        return None
    tree = _tree(operator.join(f"({expression})" for expression in expressions))
    return None if tree is None else str(tree.simplify().render())


def _join(expressions: Iterable[str], operator: str) -> str | None:
    return _join_sorted(tuple(sorted(set(expressions))), operator)


@functools.lru_cache(65536)
def ids(expression: str) -> tuple[str, ...]:
    """Return the licence ids of an expression, sorted; exceptions stand with their licence (`X WITH Y`)."""
    tree = _tree(expression)
    if tree is None:
        return ()
    return tuple(sorted({str(symbol.render()) for symbol in _symbols(tree)}))


def near(license_id: str) -> str | None:
    """Return the SPDX id that is written nearly as this one is, if there is one."""
    known = {str(key).lower(): str(key) for key in _licensing().known_symbols}
    found = difflib.get_close_matches(license_id.strip().lower(), known, 1)
    return known[found[0]] if found else None


def _symbols(tree: Any) -> Sequence[Any]:
    return list(_licensing().license_symbols(tree, unique=True, decompose=False))


def narrowing(expression: str | None) -> str | None:
    """Return an expression without what asks for nothing: dedications and further grants joined by AND to a licence."""
    tree = None if expression is None else _tree(expression)
    if tree is None or not isinstance(tree, _licensing().AND):
        return expression
    sides = [str(side.render()) for side in tree.args]
    kept = [side for side in sides if side != PUBLIC_DOMAIN and not is_exception(side)]
    return all_of(kept) if kept and len(kept) < len(sides) else expression


def is_permissive(expression: str, allows: Callable[[str], bool]) -> bool:
    """Return whether the expression can be met by allowed licences alone.

    AND needs every side, OR one. An exception grants more than its licence, so `X WITH Y` is judged as X.
    """
    tree = _tree(expression)
    return tree is not None and _evaluate(tree, allows)


def _evaluate(tree: Any, allows: Callable[[str], bool]) -> bool:
    licensing = _licensing()
    if isinstance(tree, licensing.AND):
        return all(_evaluate(side, allows) for side in tree.args)
    if isinstance(tree, licensing.OR):
        return any(_evaluate(side, allows) for side in tree.args)
    if isinstance(tree, LicenseWithExceptionSymbol):
        return allows(str(tree.license_symbol.key))
    return allows(str(tree.key))


def has_choice(expression: str) -> bool:
    """Return whether the expression holds an OR."""
    return " OR " in (parse(expression) or "")


@functools.lru_cache(1024)
def is_exception(expression: str) -> bool:
    """Return whether an expression is a bare exception id: words that only grant more than a licence they go with."""
    tree = _tree(expression)
    return expression in GRANTS or (tree is not None and bool(getattr(tree, "is_exception", False)))


def base_id(license_id: str) -> str:
    """Return an id without exception and version suffix: a licence's text is the same for -only and -or-later."""
    base = license_id.split(" WITH ")[0]
    return base.removesuffix("-only").removesuffix("-or-later").removesuffix("+")


def covers(expression: str, license_id: str) -> bool:
    """Return whether `expression` speaks of the licence whose text was recognised as `license_id`.

    A family covers its members, `GPL-2.0-or-later` covers the text of GPL-2.0.
    """
    wanted = base_id(license_id)
    return any(base_id(known) == wanted or wanted in map(base_id, FAMILIES.get(known, ())) for known in ids(expression))
