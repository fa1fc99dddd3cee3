"""Which readings are kept, which kinds spans have, and which spans are listed."""

from __future__ import annotations

import numpy as np

from stack_data.search.classify import EXACT, REFORMATTED, RENAMED, classify
from stack_data.search.outlines import BEGINNING
from stack_data.search.spans import Spans, places_in
from stack_data.search.verify_kernels import covered, not_contained

SNIPPET = np.frombuffer(b"aa bb cc dd ee ff gg hh", np.uint8)
SOURCE = np.frombuffer(b"aa bb cc dd  ee f f gg hh", np.uint8)


def spans(*rows: tuple[int, int, int, int, int, int]) -> Spans:
    """Text, kind, reading, first and last token of the snippet (words of two letters), first byte of the text."""
    text, kind, reading, first, last, source = np.array(rows, np.int64).reshape(-1, 6).T
    columns = (
        text,
        text,
        kind,
        reading,
        last - first,
        first,
        last,
        3 * first,
        3 * last - 1,
        source,
        source + 3 * (last - first) - 1,
    )
    return Spans(np.column_stack(columns))


def listed(given: Spans, readings: int = 2) -> list[tuple[int, int, int]]:
    found = classify([given], readings, SNIPPET, SOURCE, np.zeros(9, np.int64)).spans
    return [
        (one, other, kind)
        for one, other, kind in zip(found.first.tolist(), found.last.tolist(), found.kind.tolist(), strict=True)
    ]


def test_code_whose_lexemes_are_equal_is_exact_whichever_view_found_it() -> None:
    assert listed(spans((0, REFORMATTED, 0, 0, 4, 0))) == [(0, 4, EXACT)]
    assert listed(spans((0, REFORMATTED, 0, 4, 8, 13))) == [(4, 8, REFORMATTED)]


def test_num_tokens_of_an_exact_match_are_lexemes() -> None:
    snippet, source = (np.frombuffer(one, np.uint8) for one in (b"a.b(c, d)", b"a.b(c,  d)"))
    given = Spans(np.array([(0, 0, REFORMATTED, 0, 7, 0, 7, 0, 9, 0, 10)]))
    found = classify([given], 1, snippet, source, np.zeros(1, np.int64)).spans
    assert (found.kind.tolist(), found.num_tokens.tolist()) == ([EXACT], [8])


def test_the_reading_that_covers_most_is_kept_for_each_text() -> None:
    rows = spans((0, RENAMED, 0, 0, 3, 0), (0, RENAMED, 1, 2, 8, 0), (1, RENAMED, 0, 0, 5, 0), (1, RENAMED, 1, 0, 5, 0))
    assert listed(rows) == [(2, 8, RENAMED), (0, 5, RENAMED)]
    assert classify([rows], 2, SNIPPET, SOURCE, np.zeros(9, np.int64)).covered.tolist() == [5, 6]


def test_overlaps_count_once_in_what_a_reading_covers() -> None:
    texts, readings, begins, ends = ([0, 0, 0, 0, 2], [1, 1, 1, 0, 1], [3, 0, 2, 5, 7], [9, 4, 3, 6, 8])
    columns = (np.array(one) for one in (texts, readings, begins, ends))
    assert covered(*columns, 3, 2).tolist() == [[1, 9], [0, 0], [0, 1]]


def test_a_span_inside_another_of_the_same_or_a_stricter_kind_is_left_out() -> None:
    assert listed(spans((0, RENAMED, 0, 0, 8, 0), (0, RENAMED, 0, 1, 7, 0))) == [(0, 8, RENAMED)]
    assert listed(spans((0, RENAMED, 0, 0, 8, 0), (0, REFORMATTED, 0, 4, 8, 13))) == [
        (0, 8, RENAMED),
        (4, 8, REFORMATTED),
    ]
    assert listed(spans((0, REFORMATTED, 0, 2, 8, 6), (0, RENAMED, 0, 2, 8, 0), (1, RENAMED, 0, 3, 4, 0))) == [
        (2, 8, REFORMATTED), (3, 4, RENAMED),
    ]  # fmt: skip


def test_lexemes_have_no_reading_and_hide_what_lies_inside_them() -> None:
    assert listed(spans((0, EXACT, -1, 0, 8, 0), (0, REFORMATTED, 1, 4, 8, 13), (0, RENAMED, 0, 0, 8, 0))) == [
        (0, 8, EXACT)
    ]


def test_of_equal_spans_the_smallest_source_offset_stays() -> None:
    found = classify(
        [spans((0, RENAMED, 0, 0, 8, 9), (0, RENAMED, 0, 0, 8, 3))], 1, SNIPPET, SOURCE, np.zeros(1, np.int64)
    ).spans
    assert found.source_begin.tolist() == [3]


def test_texts_do_not_hide_each_other() -> None:
    columns = (np.array(one) for one in ([0, 1, 1], [0, 0, 0], [9, 5, 5], [0, 0, 0]))
    assert not_contained(*columns, 2).tolist() == [True, True, False]


def test_places_are_code_points_and_lines_with_every_line_end() -> None:
    text = "é😀\r\nb\rc\nd"
    raw = np.frombuffer(b"xx" + text.encode(), np.uint8)
    begins = np.array([len(text[:at].encode()) for at in range(len(text))])
    ends = np.array([len(text[: at + 1].encode()) for at in range(len(text))])
    found = places_in(raw, np.array([2]), BEGINNING, np.zeros(len(text), np.int64), begins, ends)
    assert found[:, 2].tolist() == list(range(len(text))) and found[:, 3].tolist() == list(range(1, len(text) + 1))
    assert found[:, 0].tolist() == [1, 1, 1, 1, 2, 2, 3, 3, 4]
