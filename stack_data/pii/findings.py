"""From a column of texts to spans: the prefilter, the exact checks of its candidates, and overlaps settled."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa

from stack_data.pii import addresses, anchors, emails, named, phones, private_keys, tokens, urls
from stack_data.pii.source import Source, Span
from stack_data.pii.verbatim import is_verbatim
from stack_data.records import SPAN

RULE_VERSION = 2
KINDS = ("email", "ip_address", "key", "password")
"""What is looked for by default; "phone" may be added."""
SECRETS = frozenset(("key", "password"))
_SETTLED = {anchors.EMAIL: "email", anchors.IPV4: "ip_address", anchors.IPV6: "ip_address", anchors.PHONE: "phone"}
_CHECKS = {
    anchors.EMAIL: emails.span, anchors.IPV4: addresses.ipv4_span, anchors.IPV6: addresses.ipv6_span, anchors.PHONE: phones.span,
    anchors.URL: urls.span,
}  # fmt: skip


def find(texts: pa.LargeStringArray, kinds: Collection[str] = KINDS) -> dict[int, list[Span]]:
    """Return the spans of each row that has any, ascending and not overlapping; rows without are absent."""
    found = anchors.find(texts, "phone" in kinds)
    wanted = np.flatnonzero(np.isin(found.what, _asked(kinds)))
    if not len(wanted):
        return {}
    rows = found.row[wanted]
    cuts = [0, *(np.flatnonzero(np.diff(rows)) + 1).tolist(), len(rows)]
    columns = np.stack([found.what, found.start, found.end, found.first, found.last], 1)[wanted].tolist()
    spans: dict[int, list[Span]] = {}
    for begin, end in zip(cuts, cuts[1:], strict=False):
        row = int(rows[begin])
        kept = _of_text(Source(texts[row].as_buffer().to_pybytes()), columns[begin:end], kinds)
        if kept:
            spans[row] = kept
    return spans


def _asked(kinds: Collection[str]) -> list[int]:
    asked = [what for what, kind in _SETTLED.items() if kind in kinds]
    return asked + ([anchors.TOKEN, anchors.NAMED, anchors.URL, anchors.ARMOUR] if SECRETS & set(kinds) else [])


def _of_text(source: Source, candidates: Iterable[Sequence[int]], kinds: Collection[str]) -> list[Span]:
    found = [span for one in candidates for span in _check(source, *one) if span.kind in kinds]
    return [span for span in settle(found) if span.kind in SECRETS or not is_verbatim(source, span.start)]


def _check(source: Source, what: int, start: int, end: int, first: int, last: int) -> Iterable[Span]:
    if what == anchors.TOKEN:
        return tokens.spans(source, first, start)
    if what == anchors.NAMED:
        one = named.span(source, start, end, first, last)
    elif what == anchors.ARMOUR:
        one = private_keys.span(source, start)
    else:
        one = _CHECKS[what](source, start, end)
    return (one,) if one else ()


def settle(found: Iterable[Span]) -> list[Span]:
    """Return spans ascending and apart: of those that overlap the secret stays, then the longest, then the first."""
    kept: list[Span] = []
    for group in _touching(sorted(found, key=lambda one: one.start)):
        kept += group if len(group) == 1 else _settled(group)
    return kept


def _touching(spans: Iterable[Span]) -> Iterator[list[Span]]:
    """Yield spans, ascending by their start, in groups that have no byte in common."""
    group: list[Span] = []
    end = 0
    for span in spans:
        if group and span.start >= end:
            yield group
            group = []
        group.append(span)
        end = max(end, span.end) if len(group) > 1 else span.end
    if group:
        yield group


def _settled(group: list[Span]) -> list[Span]:
    """Settle spans that overlap. Bytes that are taken are marked, so that nothing is compared with all that was kept."""
    first = group[0].start
    taken = bytearray(max(span.end for span in group) - first)
    kept: list[Span] = []
    for span in sorted(group, key=lambda one: (one.kind not in SECRETS, one.start - one.end, one.start, one.kind)):
        if taken.find(1, span.start - first, span.end - first) < 0:
            taken[span.start - first : span.end - first] = b"\1" * (span.end - span.start)
            kept.append(span)
    return sorted(kept, key=lambda one: one.start)


def column(spans: Mapping[int, Sequence[Span]], count: int) -> pa.ListArray:
    """Return the spans of N rows as list<struct<kind, start, end>>[N]."""
    counts = np.zeros(count + 1, np.int32)
    for row, one in spans.items():
        counts[row + 1] = len(one)
    flat = [span for row in sorted(spans) for span in spans[row]]
    fields = [
        pa.array([span.kind for span in flat], pa.string()),
        pa.array([span.start for span in flat], pa.int32()),
        pa.array([span.end for span in flat], pa.int32()),
    ]
    offsets = pa.array(np.cumsum(counts, dtype=np.int32))
    return pa.ListArray.from_arrays(offsets, pa.StructArray.from_arrays(fields, fields=list(SPAN)))
