"""Commit documents: exactly invertible whatever their parts hold, known by their shape, and judged by the file after."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stack_data.commits import CONVERSION, Commit, afters, document, is_document, parts_of, side_ids, spans_of
from stack_data.errors import InputError
from stack_data.identity import content_id

MARKERS = [f"==== commit-1 {part} ====" for part in ("before", "message", "after")]
PIECES = st.lists(
    st.sampled_from([*MARKERS, "\\", "\n", "\r", "\r\n", "==== commit-1 ", "\t", "\U0001f600", "x", " "])
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=4),
    max_size=12,
).map("".join)


def test_a_document_can_be_read_by_people() -> None:
    made = document("a = 1\n", "Make it two", "a = 2\n")
    assert made.decode() == (
        "==== commit-1 before ====\na = 1\n\n==== commit-1 message ====\nMake it two\n==== commit-1 after ====\na = 2\n\n"
    )


@given(PIECES, PIECES, PIECES)
@example("", "", "")
@example(MARKERS[1], f"\\{MARKERS[2]}", f"{MARKERS[0]}\n")
@example(f"x\n{MARKERS[1]}\ny\n{MARKERS[2]}\n", "", f"\r\n{MARKERS[2]}\r\n")
def test_every_text_comes_back_exactly(before: str, message: str, after: str) -> None:
    made = document(before, message, after)
    assert is_document(made)
    assert parts_of(made.decode()) == Commit(before, message, after)
    assert document(*parts_of(made.decode())) == made


@given(PIECES)
def test_a_text_is_a_document_only_when_its_parts_make_it_again(text: str) -> None:
    for candidate in (text, f"{MARKERS[0]}\n{text}", f"{MARKERS[0]}\n{text}\n{MARKERS[1]}\nm\n{MARKERS[2]}\n{text}\n"):
        if is_document(candidate.encode()):
            assert document(*parts_of(candidate)) == candidate.encode()


@given(PIECES, PIECES, PIECES)
def test_spans_show_the_parts_where_they_lie(before: str, message: str, after: str) -> None:
    text = document(before, message, after).decode()
    spans = spans_of(text)
    assert spans is not None
    for (start, end), part in zip(spans, (before, message, after), strict=True):
        assert text[start:end].replace("\\", "") == part.replace("\\", "")


@pytest.mark.parametrize(
    "text",
    ["", "x = 1\n", MARKERS[0], f"{MARKERS[0]}\n", f"{MARKERS[0]}\na\n{MARKERS[1]}\nb\n", f"{MARKERS[0]}\na\n{MARKERS[2]}\nb\n",
     f"\n{document('a', 'b', 'c').decode()}", f"{document('a', 'b', 'c').decode()}{MARKERS[2]}\n", document("a", "b", "c").decode()[:-1],
     "\N{BYTE ORDER MARK}" + document("a", "b", "c").decode()],
)  # fmt: skip
def test_other_texts_are_no_documents(text: str) -> None:
    assert not is_document(text.encode())
    with pytest.raises(InputError, match="no commit document"):
        parts_of(text)


def test_bytes_that_are_no_utf_8_are_no_document() -> None:
    assert not is_document(document("a", "b", "c") + b"\xff\n")


def test_the_ids_of_both_sides_are_those_of_the_files() -> None:
    made = document("a = 1\r\n", "m", f"{MARKERS[0]}\n").decode()
    assert side_ids(made) == (content_id(b"a = 1\r\n"), content_id(f"{MARKERS[0]}\n".encode()))


def test_documents_are_judged_by_the_file_after_and_others_as_they_are() -> None:
    texts = pa.array(["x", document("#!/bin/sh\n", "m", "#!/usr/bin/perl\n").decode(), None, None], pa.large_string())
    conversions = pa.array(["", CONVERSION, CONVERSION, ""])
    assert afters(texts, conversions).to_pylist() == ["x", "#!/usr/bin/perl\n", None, None]
    assert afters(texts[:1], conversions[:1]).to_pylist() == ["x"]
