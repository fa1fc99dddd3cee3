"""Spans replaced in columns: consistently, with line breaks and syntax kept, and once and for all."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stack_data.pii import findings
from stack_data.pii.placeholders import Placeholders, Style
from stack_data.pii.redaction import redact, redact_secrets
from stack_data.pii.source import Span
from tests.pii.planted import column, planted

ALL = (*findings.KINDS, "phone")
PLANTED = st.lists(st.sampled_from([one.text for one in planted()]), max_size=6).map("\n".join)


def redacted(texts: list[str], style: Style = "neutral") -> list[str]:
    made = column(texts)
    result: list[str] = redact(made, findings.column(findings.find(made, ALL), len(made)), style).to_pylist()
    return result


@pytest.mark.parametrize(
    ("text", "neutral", "starcoder"),
    [
        ("a okke@tapir.io okke@tapir.io b.x@tapir.io", "a user1@example.com user1@example.com user2@example.com", "a <EMAIL> <EMAIL> <EMAIL>"),
        ("ping 85.214.77.12 85.214.77.13", "ping 192.0.2.1 192.0.2.2", "ping 172.16.31.10 172.16.58.3"),
        ("ip 2a01:4f8:1c0c:82f1::7", "ip 2001:db8::1", "ip fd00:c2b6:b24b:be67:2827:688d:e6a1:6a3b"),
        ('password = "Granite!2931"', 'password = "REDACTED_PASSWORD_1"', 'password = "<PASSWORD>"'),
        ('key = "gho_' + "aB3dE5gH7j" * 3 + 'x9Yz8w"', 'key = "REDACTED_KEY_1"', 'key = "<KEY>"'),
        ("tel: +49 30 90182045", "tel: +1-200-555-0101", "tel: <PHONE>"),
    ],
)  # fmt: skip
def test_smallest_examples(text: str, neutral: str, starcoder: str) -> None:
    text = text.replace("aB3dE5gH7jaB3dE5gH7jaB3dE5gH7j", "aB3dE5gH7jQw2Rt4Yu6Io8Pa1Sd3Fg")
    assert redacted([text]) == [neutral]
    assert redacted([text], "starcoder") == [starcoder]


@pytest.mark.parametrize("style", ["neutral", "starcoder"])
def test_nothing_planted_stays(style: Style) -> None:
    found = [one for one in planted() if one.spans and any(findings.find(column([one.text]), ALL).values())]
    for one, text in zip(found, redacted([one.text for one in found], style), strict=True):
        for _, start, end in one.spans:
            secret = one.text.encode()[start:end].decode()
            lines = [line for line in re.split(r"[\r\n]+|\\n", secret) if len(line) > 5]
            assert not [line for line in lines if line in text], one.what


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(PLANTED, max_size=4), style=st.sampled_from(["neutral", "starcoder"]))
def test_a_second_redaction_changes_nothing(texts: list[str], style: Style) -> None:
    once = redacted(texts, style)
    assert redacted(once, style) == once


@settings(max_examples=60, deadline=None)
@given(
    texts=st.lists(PLANTED, max_size=4),
    style=st.sampled_from(["neutral", "starcoder"]),
    ends=st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_line_breaks_keep_their_number_and_kind(texts: list[str], style: Style, ends: str) -> None:
    texts = [text.replace("\n", ends) for text in texts]
    for old, new in zip(texts, redacted(texts, style), strict=True):
        assert re.findall("[\r\n]", old) == re.findall("[\r\n]", new)


def test_each_line_of_a_private_key_is_replaced_and_its_armour_stays() -> None:
    for one in planted():
        if "private key" in one.what:
            text = redacted([one.text])[0]
            assert [line for line in text.splitlines() if "PRIVATE" in line][:1] == [
                line for line in one.text.splitlines() if "PRIVATE" in line
            ][:1] or "\\n" in text
            assert text.count("REDACTED_KEY_1") >= 4
            assert "REDACTED_KEY_2" not in text


def test_python_files_still_parse() -> None:
    fits = [one.text for one in planted() if one.spans and not set(one.text) & {"\\", "\r"} and '"""' not in one.text]
    sources = [path.read_text(encoding="utf-8") for path in sorted(Path(ast.__file__).parent.glob("[a-e]*.py"))]
    texts = [
        f'{source}\n\nX = """\n{fits[at % len(fits)]}"""\nY = {fits[at % len(fits)]!r}\n'
        for at, source in enumerate(sources)
    ]
    changed = redacted(texts)
    assert sum(old != new for old, new in zip(texts, changed, strict=True)) > 0.9 * len(texts)
    for text in changed:
        ast.parse(text)


def test_a_column_without_spans_is_returned_as_it_is() -> None:
    texts = column(["a", "b"])
    assert redact(texts, findings.column({}, 2)) is texts


def test_slices_and_nulls() -> None:
    texts = column(["x", None, "mail okke@tapir.io", "ü okke@tapir.io"])  # type: ignore[list-item]
    spans = findings.column({2: [Span("email", 5, 18)], 3: [Span("email", 3, 16)]}, 4)
    assert redact(texts, spans).to_pylist() == ["x", None, "mail user1@example.com", "ü user1@example.com"]
    assert redact(texts[1:3], spans[1:3]).to_pylist() == [None, "mail user1@example.com"]
    with_null = pa.array([None, None, *spans[2:].to_pylist()], spans.type)
    assert redact(texts, with_null).to_pylist() == redact(texts, spans).to_pylist()


def test_numbers_are_of_one_text() -> None:
    assert redacted(["okke@tapir.io", "wim@tapir.io"]) == ["user1@example.com"] * 2


def test_secrets_alone_in_notices() -> None:
    line = "Copyright Wim <wim@kestrelyard.net>, mail okke@tapir.io, password = 'Granite!2931'"
    assert redact_secrets([line, ""]) == [line.replace("Granite!2931", "REDACTED_PASSWORD_1"), ""]
    assert redact_secrets([]) == []


@given(number=st.integers(1, 3000))
def test_addresses_of_a_text_differ_and_are_left_alone(number: int) -> None:
    given_out = Placeholders("neutral")
    words = {given_out.of("ip_address", str(value).encode()) for value in range(number)}
    assert len(words) == number
    assert not findings.find(column([" ".join(f"ip {word.decode()}" for word in words)]))
