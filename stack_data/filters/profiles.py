"""Which limits hold for which language: a profile's, changed by the configuration, and the exceptions of both.

For each rule the first of these that says something holds: filter.languages.NAME of the configuration, the profile's
exception for the language, filter.<rule> of the configuration, the profile. 0 or false switches a rule off.
Reads tables/filters.toml.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stack_data.config import FilterConfig, FilterRules
from stack_data.errors import ConfigError
from stack_data.languages import LANGUAGES, nearest_language
from stack_data.tables import load_table

RULES = tuple(FilterRules.model_fields)


def check(config: FilterConfig) -> None:
    """Raise ConfigError for a language Linguist does not know."""
    for name in config.languages:
        if name not in LANGUAGES:
            raise ConfigError(f"filter.languages: {name!r} is no Linguist language{nearest_language(name)}")


@functools.cache
def profiles() -> Mapping[str, tuple[FilterRules, Mapping[str, FilterRules]]]:
    """Return each profile's rules and its exceptions by language."""
    table = {name: dict(rules) for name, rules in load_table("filters").items() if name != "about"}
    languages = {name: rules.pop("languages", {}) for name, rules in table.items()}
    return {
        name: (FilterRules(**rules), {key: FilterRules(**one) for key, one in languages[name].items()})
        for name, rules in table.items()
    } | {"none": (FilterRules(), {})}


def rules_for(config: FilterConfig, language: str | None) -> FilterRules:
    """Return the rules for a language, with what is off as None. A place without a language has the general ones."""
    general, exceptions = profiles()[config.profile]
    layers = (config.languages.get(language or ""), exceptions.get(language or ""), config, general)
    return FilterRules(**{name: _first(layers, name) or None for name in RULES})


def _first(layers: tuple[FilterRules | None, ...], name: str) -> Any:
    given = (getattr(layer, name) for layer in layers if layer is not None)
    return next((value for value in given if value is not None), None)


def budgets(config: FilterConfig) -> dict[str, int]:
    """Return the most bytes of each language that has a limit; the key "" stands for all others."""
    general, exceptions = profiles()[config.profile]
    found = {
        name: _first((config.languages.get(name), exceptions.get(name), config, general), "max_language_bytes")
        for name in ("", *exceptions, *config.languages)
    }
    return {name: size for name, size in found.items() if size is not None}


class Limits:
    """The rules for each of N places, by their languages: string[N], null where unknown."""

    def __init__(self, languages: pa.Array, config: FilterConfig) -> None:
        encoded = languages.dictionary_encode()
        names = [*encoded.dictionary.to_pylist(), None]
        self._rules = [rules_for(config, name) for name in names]
        self._of = encoded.indices.fill_null(len(names) - 1).to_numpy(zero_copy_only=False)

    def values(self, name: str) -> npt.NDArray[Any]:
        """Return each place's limit of a rule that is a number, 0 where it is off."""
        return np.asarray(np.array([getattr(rules, name) or 0 for rules in self._rules])[self._of])

    def holds(self, name: str) -> npt.NDArray[np.bool_]:
        """Return for which places a rule without a number is on."""
        return self.values(name).astype(bool)

    def by_language(self) -> Iterator[tuple[FilterRules, npt.NDArray[np.int64]]]:
        """Yield the rules of each language with the rows of its places."""
        for number, rules in enumerate(self._rules):
            yield rules, np.flatnonzero(self._of == number)
