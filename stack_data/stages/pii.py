"""The pii stage: personal data and secrets in contents. Decisions aligned with files/; the release replaces the spans.

A content is never dropped here: the action is `redact`, with the spans, and the reason says whether a secret is among them. `detail`
counts what was found, and holds no text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from stack_data.config import PiiConfig
from stack_data.licenses.headers import RULE_VERSION as HEADER_RULES
from stack_data.pii import findings
from stack_data.pii.source import Span
from stack_data.reasons import Reason
from stack_data.records import PII_DECISIONS
from stack_data.stages.decisions import decision_columns
from stack_data.tables import tables_version

PII_TABLES = ("pii_",)
RULE_VERSION = findings.RULE_VERSION * 1000 + HEADER_RULES
_REASONS = (Reason.SECRET, Reason.PERSONAL_DATA)


def rules_version() -> int:
    """Return a number that changes with the tables of tokens, names and words."""
    return tables_version(PII_TABLES)


def decide(ids: pa.Array, texts: pa.LargeStringArray, config: PiiConfig) -> pa.Table:
    """Return the decisions about N contents: ids string[N], texts large_string[N]; a null text is kept."""
    found = spans_of(texts, config) if config.enabled else {}
    codes = np.full(len(texts), -1)
    details: list[str | None] = [None] * len(texts)
    for row, spans in found.items():
        codes[row] = 0 if any(span.kind in findings.SECRETS for span in spans) else 1
        details[row] = _words(spans)
    columns = decision_columns(ids, codes, _REASONS, pa.array(details, pa.string()), "redact")
    columns["spans"] = findings.column(found, len(texts))
    return pa.table(columns).cast(PII_DECISIONS)


def spans_of(texts: pa.LargeStringArray, config: PiiConfig) -> dict[int, list[Span]]:
    """Return the spans of each text that has any."""
    found = findings.find(texts, config.kinds)
    if not config.ner:
        return found
    # Imported here: only those who have a checkpoint pay for it.
    from stack_data.pii import ner

    for row, spans in ner.load(Path(config.ner)).find(texts, config.ner_score, config.kinds).items():
        found[row] = findings.settle([*found.get(row, ()), *spans])
    return dict(sorted(found.items()))


def _words(spans: Sequence[Span]) -> str:
    """Return how many of what were found, such as "2 email, 1 key"."""
    return ", ".join(f"{count} {kind}" for kind, count in sorted(Counter(span.kind for span in spans).items()))
