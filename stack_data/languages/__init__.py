"""Languages of files, and whether a file is vendored, documentation or generated: columns in, columns out.

detect_languages and detect_language follow Linguist's strategies over Linguist's data. Everything
here is a pure function of paths and texts; tables are read on first use.
"""

from __future__ import annotations

from collections.abc import Mapping

from stack_data.languages.detection import detect_language, detect_languages, rule_version
from stack_data.languages.generated import is_generated, mentions_generated
from stack_data.languages.language import Language, language_info, languages
from stack_data.languages.paths import is_documentation, is_vendored

__all__ = [
    "LANGUAGES",
    "Language",
    "detect_language",
    "detect_languages",
    "is_documentation",
    "is_generated",
    "is_vendored",
    "language_info",
    "languages",
    "mentions_generated",
    "nearest_language",
    "rule_version",
]

#: Every language by name, in Linguist's order. Read on first use, as the table is.
LANGUAGES: Mapping[str, Language]


def nearest_language(name: str) -> str:
    """Return "; did you mean 'X'?" for a name that is no language, or nothing."""
    import difflib

    folded = {one.casefold(): one for one in languages()}
    near = difflib.get_close_matches(name.casefold(), list(folded), n=1, cutoff=0.4)
    started = sorted(one for one in folded if one.startswith(name.casefold()))
    found = [name.casefold()] if name.casefold() in folded else started[:1] or near
    return f"; did you mean {folded[found[0]]!r}?" if found else ""


def __getattr__(name: str) -> Mapping[str, Language]:
    if name == "LANGUAGES":
        return languages()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
