"""What is found in texts: the planted secrets, the smallest example of each rule, and what is left alone."""

from __future__ import annotations

import random
import sys
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack_data.pii import findings, tokens
from stack_data.pii.redaction import redact
from stack_data.pii.source import Span
from tests.pii.planted import column, planted

ALL = (*findings.KINDS, "phone")
ONES = "0123456789abcdef"
DRAWN = random.Random(5)
HEX = "".join(DRAWN.choices(ONES, k=40))
SYMBOLS = "x4$k(9&w!h2^zq@7-m_e#p*0c=t)r5+v!j8b@n(1%s6g$y3&l"
UUID = "9b1d7f3e-58c2-4a06-b3e1-" + HEX[:12]
MIXED = "".join(DRAWN.choices("abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789", k=40))


def found(text: str, kinds: tuple[str, ...] = ALL) -> list[tuple[str, str]]:
    """Return (kind, text) of the findings in one text."""
    spans = findings.find(column([text]), kinds).get(0, [])
    return [(span.kind, text.encode()[span.start : span.end].decode()) for span in spans]


@pytest.mark.parametrize(("half", "least"), [("tuning", 450), ("held-out", 250), ("reported", 130)])
def test_planted_secrets_are_found_and_look_alikes_are_not(half: str, least: int) -> None:
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
    assert counts["expected"] >= least
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
        (f"SECRET_KEY = '{SYMBOLS}'", [("key", SYMBOLS)]),
        (f"define('AUTH_KEY', '{SYMBOLS} {SYMBOLS[:9]}');", [("key", f"{SYMBOLS} {SYMBOLS[:9]}")]),
        ("define('DB_PASSWORD', 'ph9-V@le');", [("password", "ph9-V@le")]),
        (f"https://{HEX[:32]}@o44.ingest.sentry.io/7", [("key", HEX[:32])]),
        (f"c?sv=2020&sig={MIXED}aB3%3D", [("key", f"{MIXED}aB3%3D")]),
        (f'heroku_api_key = "{UUID}"', [("key", UUID)]),
        (f'add_argument("--token", default="{MIXED}")', [("key", MIXED)]),
        (f"| api_key | {MIXED} |", [("key", MIXED)]),
        (f"new('AKIA{'QZ7TWX2MK4LDJ3PE'}', '{MIXED}')", [("key", "AKIAQZ7TWX2MK4LDJ3PE"), ("key", MIXED)]),
        ("sshpass -p 'Gran1te!29' ssh x", [("password", "Gran1te!29")]),
        ("mysql -u root -pGran1te!29 crm", [("password", "Gran1te!29")]),
        ("get(url, auth=('me', 'Gran1te!29'))", [("password", "Gran1te!29")]),
        ('password = "gr-n1te.pw"', [("password", "gr-n1te.pw")]),
        ('password = "n3w.gran1te.w0rd"', [("password", "n3w.gran1te.w0rd")]),
        ('password = "test1234!Q"', [("password", "test1234!Q")]),
        ("password: `Gr4nite$vale`", [("password", "Gr4nite$vale")]),
        ('SMTP_PASS="gr4nite vale st0ne"', [("password", "gr4nite vale st0ne")]),
        ("password = %q(Gran1te-77)", [("password", "Gran1te-77")]),
        ('char[] pw = "gr4nIte9!";', [("password", "gr4nIte9!")]),
        ("password:\n  Granite!2931\n", [("password", "Granite!2931")]),
        ("password: !!str Granite!2931\n", [("password", "Granite!2931")]),
        (f'secret =\r\n    "{MIXED}"', [("key", MIXED)]),
        (f"${{TOKEN:-{MIXED}}}", [("key", MIXED)]),
        (f'token = env.TOKEN || "{MIXED}"', [("key", MIXED)]),
        (f"Private-Lines: 1\n{MIXED}\nPrivate-MAC: {HEX}", [("key", MIXED)]),
        ("mail müller@bücher-hof.de now", [("email", "müller@bücher-hof.de")]),
        ("请联系okke@kestrelyard.nl，谢谢", [("email", "okke@kestrelyard.nl")]),
        ("почта: жанна@двор.рф", [("email", "жанна@двор.рф")]),
        ('"o\'neil@irishmoor.ie"', [("email", "o'neil@irishmoor.ie")]),
        ("cc o'neil@irishmoor.ie and", [("email", "o'neil@irishmoor.ie")]),
        ("'okke@kestrelyard.nl'", [("email", "okke@kestrelyard.nl")]),
        ("b'okke@kestrelyard.nl, hello'", [("email", "okke@kestrelyard.nl")]),
        ("<ishan9096137017@irishmoor.ie>", [("email", "ishan9096137017@irishmoor.ie")]),
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
        "<20240101120000.GA1234@mail.host.de>",
        "<4FD05F05-F98B-44DC-8111-C6009C925F0C@irishmoor.ie>",
        "References: <15975.17901.207240.414604@irishmoor.ie>",
        "<CAHk-=wiZx7Qp2@mail.gmail.com>",
        f'idempotency_key = "{UUID}"',
        "| password | varchar(255) | 2 |",
        "password:\n  - min8chars\n",
        "DB_PASSWORD=\nREDIS_HOST=cache1.oxbow2\n",
        'PASSWORD="Enter your 1st password, then 2 more"',
        'parser.add_argument("--password", help="the password2 of 3 users")',
        'KEY_CHARS = "abcdefghijklmnopqrstuvwxyz0123456789!@#$%^&*()_+-="',
        'password: "app/log4j.properties"',
        'sshpass -p "$PASS1" ssh x',
        "loss = x@müller.T",
        "    Key?: XmlStringMaxLen128;",
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


spans = st.builds(
    lambda kind, start, size: Span(kind, start, start + size),
    st.sampled_from(ALL),
    st.integers(0, 60),
    st.integers(1, 12),
)


@given(st.lists(spans, max_size=25))
def test_spans_are_settled_as_by_comparing_each_with_all(found: list[Span]) -> None:
    kept: list[Span] = []
    for span in sorted(
        found, key=lambda one: (one.kind not in findings.SECRETS, one.start - one.end, one.start, one.kind)
    ):
        if all(span.end <= other.start or other.end <= span.start for other in kept):
            kept.append(span)
    assert findings.settle(found) == sorted(kept, key=lambda one: one.start)


def calls(text: str) -> int:
    """Return how many calls it takes to find and replace what a text holds: work, whatever the machine is busy with."""
    made = column([text])
    count = 0

    def counted(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(counted)
    try:
        redact(made, findings.column(findings.find(made, ALL), 1))
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize(
    "piece",
    [
        "user{0}@mail.kestrelyard.nl\n",
        "user{0}@mail.kestrelyard.nl,",
        "copyright 2020 user{0}@mail.kestrelyard.nl,",
        "85.214.77.{1} ",
        'api_key = "{0:05}x7QpL2vN9wR4tB8k";',
        'password = "{0}Granite!2931"\n',
        "ftp://up:Gran{0}te!31@files.oxbow.dev/ ",
        "gho_" + MIXED[:31] + "{0:05} ",
        "ibm {0}\n",
        "ibm ",
        "-----BEGIN PRIVATE KEY-----\n",
    ],
)
def test_work_grows_with_a_text_and_no_faster(piece: str) -> None:
    texts = ["".join(piece.format(at, at % 200 + 1) for at in range(count)) for count in (1500, 3000)]
    calls(texts[0])  # what is made once
    once, twice = map(calls, texts)
    assert twice < 2.2 * once


def test_a_detector_is_shown_each_stretch_once(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = []
    real = tokens._detector

    def detector(plugin: tokens.Plugin) -> object:
        shown.append(plugin)
        return real(plugin)

    monkeypatch.setattr(tokens, "_detector", detector)
    assert found("ibm " * 5000 + MIXED) == []
    assert len(shown) <= 2 * 20_000 // 1000


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
