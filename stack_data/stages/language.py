"""The language stage: language, and whether a file is vendored, documentation or generated. Aligned with provenance/.

All of it depends on content and file name, so it is decided per place. Places whose content was never read get no
language and no reason: the fetch step has already dropped them.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stack_data.config import LanguageConfig
from stack_data.errors import ConfigError
from stack_data.languages import (
    LANGUAGES,
    detect_languages,
    is_documentation,
    is_generated,
    is_vendored,
    nearest_language,
    rule_version,
)
from stack_data.languages.paths import endings_of
from stack_data.reasons import Reason
from stack_data.records import LANGUAGE_DECISIONS
from stack_data.stages.decisions import decision_columns

RULE_VERSION = rule_version
_REASONS = [Reason.UNKNOWN_LANGUAGE, Reason.LANGUAGE_NOT_SELECTED]


def check(config: LanguageConfig) -> None:
    """Raise ConfigError for a language Linguist does not know."""
    for name in (*config.only, *config.exclude):
        if name not in LANGUAGES:
            raise ConfigError(f"language: {name!r} is no Linguist language{nearest_language(name)}")


def decide(ids: pa.Array, paths: pa.Array, texts: pa.Array, config: LanguageConfig) -> pa.Table:
    """Return the decisions about places: ids, paths string[N]; texts large_string[N], null where never read."""
    read = texts.is_valid()
    known_texts = texts.fill_null("")
    languages = detect_languages(paths, known_texts).cast(pa.dictionary(pa.int16(), pa.string()))
    languages = pc.if_else(read, languages.cast(pa.string()), pa.scalar(None, pa.string())).dictionary_encode()
    names = languages.cast(pa.string())
    unselected = np.zeros(len(paths), bool)
    if config.only:
        unselected = ~pc.is_in(names, pa.array(config.only)).to_numpy(zero_copy_only=False)
    if config.exclude:
        unselected |= pc.is_in(names, pa.array(config.exclude)).to_numpy(zero_copy_only=False)
    readable = read.to_numpy(zero_copy_only=False)
    unknown = names.is_null().to_numpy(zero_copy_only=False)
    codes = np.where(readable & unknown, 0, np.where(readable & unselected, 1, -1))
    columns = decision_columns(ids, codes, _REASONS, pa.nulls(len(paths), pa.string()))
    columns["language"] = languages
    columns["extension"] = endings_of(paths).dictionary_encode()
    columns["is_vendor"] = is_vendored(paths)
    columns["is_documentation"] = is_documentation(paths)
    columns["is_generated"] = is_generated(paths, known_texts)
    return pa.table(columns).cast(LANGUAGE_DECISIONS)
