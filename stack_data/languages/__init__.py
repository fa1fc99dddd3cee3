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
    "rule_version",
]

#: Every language by name, in Linguist's order. Read on first use, as the table is.
LANGUAGES: Mapping[str, Language]


def __getattr__(name: str) -> Mapping[str, Language]:
    if name == "LANGUAGES":
        return languages()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
