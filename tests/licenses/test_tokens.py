"""Words: spans, folding of spelling, numbering, addresses, and what has legal effect."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from stack_data.licenses.phrases import tables
from stack_data.licenses.tokens import (
    NUMBERING,
    OPERATIVE,
    SKIP,
    URL,
    blank_markup,
    make_spelling,
    tokenize,
    word_hash,
)

PLAIN = make_spelling({}, set(), set())


def read(text: str) -> list[tuple[str, int]]:
    words = tokenize(text, tables().spelling)
    return [(text[a:b], int(flags)) for a, b, flags in zip(words.start, words.end, words.flags, strict=True)]


def hashes(text: str) -> list[int]:
    return [int(value) for value in tokenize(text, tables().spelling).hash]


def test_the_kernel_and_python_hash_alike() -> None:
    assert [int(value) for value in tokenize("Straße X1", PLAIN).hash] == [
        word_hash("straße"),
        word_hash("x1"),
    ]


def test_case_punctuation_and_quotes_do_not_count() -> None:
    assert hashes('"AS IS", without (any) Warranty!') == hashes("as is without ANY warranty")


def test_spelling_variants_are_equal() -> None:
    assert hashes("sublicence noninfringement") == hashes("sub-license Non-Infringement")
    assert hashes("the copyright owners") == hashes("The Copyright Holders")


def test_a_word_broken_at_a_line_end_is_one_word_also_behind_comment_marks() -> None:
    assert hashes(" * the merchant-\n * ability of") == hashes("the merchantability of")


def test_numbering_is_skippable_and_a_year_is_not() -> None:
    flags = dict(read("1. Keep\n(b) retain\n 2020 Foo"))
    assert flags["1"] & SKIP and flags["b"] & SKIP
    assert not flags["2020"] & SKIP and flags["2020"] & NUMBERING


def test_words_of_addresses_and_paths_have_no_effect_of_their_own() -> None:
    flags = dict(read("see http://example.com/license/only and src/_shared/must.py or LICENSE.txt"))
    assert all(flags[word] & URL for word in ("license", "only", "must", "LICENSE"))


def test_a_sentence_glued_to_the_next_is_no_address() -> None:
    flags = dict(read("this software.Commercial use"))
    assert flags["Commercial"] & OPERATIVE and not flags["Commercial"] & URL


def test_names_of_people_lose_their_effect_only_when_written_as_names() -> None:
    assert not dict(read("Will Grant"))["Will"] & OPERATIVE
    assert dict(read("you will grant"))["will"] & OPERATIVE
    assert not dict(read("Copyright 2020 ACME LIMITED"))["LIMITED"] & OPERATIVE
    assert dict(read("USE IS LIMITED"))["LIMITED"] & OPERATIVE


def test_all_rights_reserved_says_nothing() -> None:
    assert not any(flags & OPERATIVE for _, flags in read("All rights reserved."))
    assert any(flags & OPERATIVE for _, flags in read("rights reserved"))


def test_markup_is_blanked_without_moving_a_word() -> None:
    html = '<p class="x">A &quot;b&quot; <year></p>'
    assert len(blank_markup(html)) == len(html)
    assert [word for word, _ in read(html)] == ["A", "b", "year"]


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300))
def test_spans_rise_and_cover_words(text: str) -> None:
    words = tokenize(text, PLAIN)
    assert all(a < b for a, b in zip(words.start, words.end, strict=True))
    assert all(x <= y for x, y in zip(words.end[:-1], words.start[1:], strict=True))
    assert not len(words) or int(words.end[-1]) <= len(text)
