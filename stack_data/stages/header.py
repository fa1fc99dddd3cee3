"""The header stage: what each content says about its own licence. Decisions aligned with files/.

A content is dropped here by nothing alone: the licence stage joins this with the tree. `expression` is the AND of
what is known, `evidence` the JSON list of findings (null where the content says nothing). A commit document says what the
file said before the change and what it said after it; the message says nothing about the file's licence.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from stack_data import commits
from stack_data.licenses import expressions
from stack_data.licenses.evidence import Evidence
from stack_data.licenses.headers import RULE_VERSION as HEADER_RULES
from stack_data.licenses.headers import evidence_in, speaking_rows
from stack_data.licenses.notices import RULE_VERSION as NOTICE_RULES
from stack_data.records import HEADER_DECISIONS
from stack_data.stages.decisions import decision_columns

RULE_VERSION = 100_000 + HEADER_RULES * 1000 + NOTICE_RULES


def decide(ids: pa.ChunkedArray, texts: pa.LargeStringArray) -> pa.Table:
    """Return the decisions about a part: ids string[N], texts large_string[N]."""
    count = len(texts)
    found: list[str | None] = [None] * count
    known: list[str | None] = [None] * count
    for row, deep in speaking_rows(texts):
        evidence = _said(texts[row].as_py(), deep)
        if evidence:
            found[row] = to_json(evidence)
            known[row] = expressions.all_of([one.expression for one in evidence if one.expression])
    columns = decision_columns(ids, np.full(count, -1), [], pa.nulls(count, pa.string()))
    columns["expression"] = pa.array(known, pa.string())
    columns["evidence"] = pa.array(found, pa.string())
    return pa.table(columns).cast(HEADER_DECISIONS)


def _said(text: str, deep: Collection[str]) -> tuple[Evidence, ...]:
    spans = commits.spans_of(text)
    if spans is None:
        return evidence_in(text, deep)
    before, _, after = spans
    found = [
        replace(one, start=one.start + start, end=one.end + start)
        for start, end in (before, after)
        for one in evidence_in(text[start:end], deep)
    ]
    # What both sides say is told once.
    return tuple({replace(one, start=0, end=0): one for one in found}.values())


def to_json(evidence: Sequence[Evidence]) -> str:
    """Return evidence as stored: a JSON list."""
    return json.dumps([one.to_json() for one in evidence], ensure_ascii=False, separators=(",", ":"))


def from_json(stored: str) -> tuple[Evidence, ...]:
    """Return stored evidence."""
    return tuple(
        Evidence(**(one | {"path": one.get("path", ""), "files": tuple(one.get("files", ()))}))
        for one in json.loads(stored)
    )
