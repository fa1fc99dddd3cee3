"""What is found in texts: the planted secrets, the smallest example of each rule, and what is left alone."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack_data.pii import findings
from stack_data.pii.source import Span
from tests.pii.planted import column, planted

ALL = (*findings.KINDS, "phone")
ONES = "0123456789abcdef"
DRAWN = random.Random(5)
HEX = "".join(DRAWN.choices(ONES, k=40))
MIXED = "".join(DRAWN.choices("abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789", k=40))


def found(text: str, kinds: tuple[str, ...] = ALL) -> list[tuple[str, str]]:
    """Return (kind, text) of the findings in one text."""
    spans = findings.find(column([text]), kinds).get(0, [])
    return [(span.kind, text.encode()[span.start : span.end].decode()) for span in spans]


@pytest.mark.parametrize("half", ["tuning", "held-out"])
def test_planted_secrets_are_found_and_look_alikes_are_not(half: str) -> None:
    chosen = [one for one in planted() if one.half == half]
    spans = findings.find(column([one.text for one in chosen]), ALL)
    counts: Counter[str] = Counter()
    for row, one in enumerate(chosen):
        given = spans.get(row, [])
        for kind, start, end in one.spans:
            covered = any(span.kind == kind and span.start <= start and end <= span.end for span in given)
            counts.update([f"{kind} expected", "expected", *([f"{kind} found", "found"] if covered else [])])
        for span in given:
            right = any(span.kind == kind and span.start < end and start < span.end for kind, start, end in one.spans)
            counts.update([f"{span.kind} given", "given", *([f"{span.kind} right", "right"] if right else [])])
    assert counts["expected"] >= 250
    assert counts["found"] >= 0.98 * counts["expected"]
    assert counts["right"] >= 0.95 * counts["given"]
    for kind in ALL:
        assert counts[f"{kind} found"] >= 0.9 * counts[f"{kind} expected"], kind
        assert counts[f"{kind} right"] >= 0.9 * counts[f"{kind} given"], kind


def test_there_are_300_secrets_and_300_look_alikes() -> None:
    assert sum(len(one.spans) for one in planted()) >= 300
    assert sum(not one.spans for one in planted()) >= 300


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mail to okke@kestrelyard.nl.", [("email", "okke@kestrelyard.nl")]),
        ("ping 85.214.77.12", [("ip_address", "85.214.77.12")]),
        ("ping 2a01:4f8:1c0c:82f1::7", [("ip_address", "2a01:4f8:1c0c:82f1::7")]),
        (f'api_key = "{MIXED}"', [("key", MIXED)]),
        (f"GITHUB=gho_{MIXED[:36]}", [("key", f"gho_{MIXED[:36]}")]),
        ('password = "Granite!2931"', [("password", "Granite!2931")]),
        ("ftp://up:Granite!2931@files.oxbow.dev/", [("password", "Granite!2931")]),
        ("call +49 30 90182045", [("phone", "+49 30 90182045")]),
        (f'"\\nAKIA{"QZ7TWX2MK4LDJ3PE"}"', [("key", "AKIAQZ7TWX2MK4LDJ3PE")]),
        (f"password: Granite!2931\nkey: x\ntoken: {MIXED}", [("password", "Granite!2931"), ("key", MIXED)]),
        ('cloudant_key = "qhzkwbtrmxvclyfdpgjsnaue"', [("key", "qhzkwbtrmxvclyfdpgjsnaue")]),
    ],
)
def test_smallest_examples(text: str, expected: list[tuple[str, str]]) -> None:
    assert found(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "# Copyright (c) 2019 Ingvild <ingvild@nordhaven.io>",
        "x = 1\n" * 500 + "/* Copyright 2019 Ingvild <ingvild@nordhaven.io> */",
        "# Licensed under the MIT licence; ask legal@nordhaven.io for others.\nx = 1\n",
        "loss = q@k.T + a@b.to(c)",
        "version 52.31.18.44",
        "noreply@nordhaven.io",
        f"commit {HEX}",
        f'sha1 = "{HEX}"',
        'password = os.environ["PASSWORD_1"]',
        "postgres://${USER}:${PASS}@db/crm",
        "-----BEGIN PUBLIC KEY-----\n" + MIXED * 2 + "\n-----END PUBLIC KEY-----",
        'api_key = "550e8400-e29b-41d4-a716-446655440000"',
        "aes256-gcm@openssh.com",
        "nameserver 8.8.8.8",
    ],
)
def test_left_alone(text: str) -> None:
    assert found(text) == []


def test_a_key_in_a_copyright_line_is_found_and_its_address_is_not() -> None:
    line = f"# Copyright 2020 Wim <wim@kestrelyard.net> gho_{MIXED[:36]}"
    assert [kind for kind, _ in found(line)] == ["key"]


def test_an_address_below_a_licence_line_is_found() -> None:
    assert found("# Licensed under MIT\n# Author: wim@kestrelyard.net\n") == [("email", "wim@kestrelyard.net")]


def test_addresses_in_a_licence_text_of_the_header_stay() -> None:
    apache_1 = (
        "/* Redistribution and use in source and binary forms, with or without modification, are permitted provided that the "
        "following conditions\n * are met: For written permission, please contact\n * openssl-core@nordhaven.org. */\nint x;\n"
    )
    assert found(apache_1.replace("please contact\n *", "please contact")) == []


def test_kinds_that_are_not_asked_for_are_not_found() -> None:
    text = f'okke@kestrelyard.nl 85.214.77.12 password = "Granite!2931" +49 30 90182045 gho_{MIXED[:36]}'
    for kind in ALL:
        assert [one for one, _ in found(text, (kind,))] == [kind]
    assert "phone" not in [one for one, _ in found(text, findings.KINDS)]


def test_the_body_of_a_private_key_is_one_span() -> None:
    body = "\n".join([MIXED + MIXED[:24]] * 3 + [MIXED[:22] + "=="])
    for text in (
        f"-----BEGIN RSA PRIVATE KEY-----\n{body}\n-----END RSA PRIVATE KEY-----\n",
        f"-----BEGIN PRIVATE KEY-----\n{body}\n",
    ):
        assert found(text) == [("key", body)]


def test_rows_of_slices_and_nulls() -> None:
    texts = column(["ping 85.214.77.12", "nothing", "okke@kestrelyard.nl"])
    assert list(findings.find(texts)) == [0, 2]
    assert findings.find(texts[1:]) == {1: [Span("email", 0, 19)]}
    assert findings.find(column([])) == {}
    assert findings.find(column([None, "", "x"])) == {}  # type: ignore[list-item]


def test_offsets_are_bytes() -> None:
    assert findings.find(column(["äöü okke@kestrelyard.nl"])) == {0: [Span("email", 7, 26)]}


def test_overlapping_spans_are_settled_for_the_secret_and_then_the_longest() -> None:
    spans = [
        Span("email", 0, 20),
        Span("password", 5, 8),
        Span("email", 10, 12),
        Span("ip_address", 10, 14),
        Span("key", 6, 8),
    ]
    assert findings.settle(spans) == [Span("password", 5, 8), Span("ip_address", 10, 14)]


def test_spans_as_a_column() -> None:
    spans = findings.column({1: [Span("key", 2, 4), Span("email", 5, 9)]}, 3)
    assert spans.to_pylist() == [
        [],
        [{"kind": "key", "start": 2, "end": 4}, {"kind": "email", "start": 5, "end": 9}],
        [],
    ]


@given(
    st.lists(
        st.text(st.one_of(st.sampled_from("@.:-+/=\"'\\ \nkeyKEYpas1290af<>_"), st.characters(codec="utf-8"))),
        max_size=4,
    )
)
def test_any_text_is_read_and_its_spans_lie_in_it(texts: list[str]) -> None:
    for row, spans in findings.find(column(texts), ALL).items():
        ends = [0, *(end for span in spans for end in (span.start, span.end)), len(texts[row].encode())]
        assert ends == sorted(ends)
        assert all(span.start < span.end for span in spans)
