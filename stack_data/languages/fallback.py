"""The choice that is left when several languages share an extension and no rule over the text decides."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from stack_data.languages.language import languages


def preference(extension: str, candidates: Sequence[str]) -> list[str]:
    """Return the candidates, the likeliest first."""

    def rank(name: str) -> tuple[int, int, str]:
        language = languages()[name]
        own = [known.lower() for known in language.extensions]
        place = own.index(extension) if extension in own else len(own)
        return (place > 0, -len(own) - len(language.aliases), name)

    return sorted(candidates, key=rank)


def choose(extension: str, candidates: Sequence[str], texts: pa.Array) -> list[str]:
    """Return the likeliest candidate for each text."""
    return [preference(extension, candidates)[0]] * len(texts)
