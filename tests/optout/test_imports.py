"""Imports: what people write becomes entries, or is set aside with its line and the reason; nothing is dropped."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack_data.errors import InputError
from stack_data.identity import fold_name
from stack_data.optout import Entry, SuppressionList
from stack_data.optout.imports import Requested, merged, read_requests
from stack_data.optout.lists import read, write
from stack_data.optout.written_names import MOST_SHOWN, shown

DAY = "2026-11-21"


def asked(text: str | bytes, **values: Any) -> Requested:
    raw = text if isinstance(text, bytes) else text.encode()
    return read_requests(raw, "file", since=DAY, **values)


def record(repos: Any = (), owners: Any = (), author: Any = "octocat", **more: Any) -> str:
    return json.dumps({"issue": 1, "author": author, "optout_repos": repos, "optout_owners": owners} | more)


def names(found: Requested) -> list[str]:
    return [one.name for one in found.entries]


def why(found: Requested) -> str:
    assert found.entries == ()
    (one,) = found.set_aside
    return one.why


# Records


def test_records_name_owners_and_repositories() -> None:
    found = asked(record(["octocat/hello"], ["octo-org"]))
    assert found.set_aside == ()
    assert found.entries == (
        Entry(kind="owner", host="github.com", name="octo-org", since=DAY),
        Entry(kind="repository", host="github.com", name="octocat/hello", since=DAY),
    )


@pytest.mark.parametrize("text", ["[{}]", "[\n{},\n{}\n]\n", "{}\n{}\n", " {} {}", "\ufeff[{}]", "{}\r\n{}\r\n"])
def test_records_come_one_a_line_or_in_an_array(text: str) -> None:
    lines = text.replace("{}", record(["a/b"], ["octo-org"]))
    assert names(asked(lines)) == ["octo-org", "a/b"]


def test_the_single_element_all_means_the_authors_account_and_nothing_else_does() -> None:
    assert names(asked(record(["all"]))) == ["octocat"]
    assert names(asked(record([" All "], ["octo-org"]))) == ["octo-org", "octocat"]
    for text in ([" - all"], ["all of them"], ["everything"], ["all", "octocat/hello"], ["^.+$"], ["*"], ["all repos"]):
        assert why(asked(record(text)))
    assert "nothing" in why(asked(record([], ["all"])))


@pytest.mark.parametrize("author", ["", "ghost", None, 7, "^.+$", "a b", "https://github.com/a/b"])
def test_all_of_nobody_is_set_aside(author: Any) -> None:
    assert why(asked(record(["all"], author=author)))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("https://github.com/octocat/hello", "octocat/hello"),
        ("https://github.com/octocat/hello.git", "octocat/hello"),
        ("https://www.github.com/octocat/hello/?tab=readme#top", "octocat/hello"),
        ("git@github.com:octocat/hello.git", "octocat/hello"),
        ("github.com/octocat/hello/", "octocat/hello"),
        ("octocat/hello/", "octocat/hello"),
        ("octocat/hello.", "octocat/hello"),
        ("octocat/hello.git/.", "octocat/hello"),
        ("octocat/.github", "octocat/.github"),
        ("`octocat/hello`", "octocat/hello"),
        ("<https://github.com/octocat/hello>", "octocat/hello"),
        (" - octocat/hello", "octocat/hello"),
        ("2. octocat/hello", "octocat/hello"),
        ("octocat/*", "octocat"),
        ("https://github.com/octocat/*", "octocat"),
        ("\uff4f\uff43\uff54\uff4f/hello", "octo/hello"),
        ("octocat/a--b_c.d", "octocat/a--b_c.d"),
    ],
)
def test_a_repository_is_known_however_it_is_written(text: str, name: str) -> None:
    assert names(asked(record([text]))) == [name]


@pytest.mark.parametrize(
    "text", ["octocat", "@octocat", "octocat/", "https://github.com/octocat", "https://github.com/orgs/octocat/repositories",
             "https://github.com/octocat?tab=repositories", "github.com/octocat", "octocat.", "octocat/*"],
)  # fmt: skip
def test_an_owner_is_known_however_it_is_written(text: str) -> None:
    assert names(asked(record([], [text]))) == ["octocat"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("octocat", "account where repositories belong"),
        ("https://github.com/octocat", "account where repositories belong"),
        ("Commits", "names nothing"),
        ("GitHub issue", "several words"),
        ("n/a", "names nothing"),
        ("_No response_", "several words"),
        ("0123456789abcdef0123456789abcdef01234567", "a commit or a content"),
        ("octocat/hello and octocat/world", "several words"),
        ("everything except octocat/hello", "several words"),
        ("https://github.com/octocat/hello/blob/main/a.py", "inside a repository"),
        ("https://example.org/octocat/hello", "no known forge"),
        ("https://github.com", "no address"),
        ("https://[", "no address"),
        ("topics/python", "is a page"),
        ("octocat/..", "no name|nothing|belong"),
        ("octo cat/hello", "several words"),
        ("-octocat/hello", "no owner or repository of github.com"),
        ("\u043ectocat/hello", "no owner or repository of github.com"),
        ("me@example.org", "e-mail address"),
        ("octocat/hello\U000e0061\U000e006c", "U\\+E0061, which nobody sees"),
        ("octo\u200bcat/hello", "U\\+200B"),
        ("\u202eolleh/tacotco", "U\\+202E"),
        ("octocat/hello\x1b[2J", "U\\+001B"),
        ("a/" + "b" * 101, "no owner or repository of github.com"),
        ("a" * 40 + "/b", "no owner or repository of github.com"),
        ("--", "names nothing"),
    ],
)  # fmt: skip
def test_what_names_no_repository_for_certain_is_set_aside(text: str, reason: str) -> None:
    found = asked(record([text]))
    assert why(found)
    (one,) = found.set_aside
    assert re.search(reason, one.why), one.why
    assert (one.file, one.line, json.loads(one.whole)["optout_repos"]) == ("file", 1, [text])


def test_thousands_of_invisible_characters_are_shown_short_and_in_ascii() -> None:
    (one,) = asked(record(["^.+$" + "".join(map(chr, range(0xE0020, 0xE007F))) * 50])).set_aside
    assert one.text.isascii() and one.text.isprintable() and len(one.text) <= MOST_SHOWN
    assert one.text.startswith("^.+$\\U000e0020")


def test_one_request_may_name_130_repositories_in_one_string() -> None:
    wanted = [f"octocat/r{number}" for number in range(130)]
    for separator in (",", ", ", "\n", "\r\n", " ", "; ", "\n- "):
        assert names(asked(record([separator.join(wanted)]))) == wanted
    assert names(asked(record(wanted))) == wanted
    assert names(asked(record(separator.join(wanted)))) == wanted


def test_owners_in_one_string_need_a_comma_a_line_or_an_at_sign() -> None:
    assert names(asked(record([], ["octocat, octo-org\nhubot"]))) == ["octocat", "octo-org", "hubot"]
    assert names(asked(record([], ["@octocat @hubot"]))) == ["octocat", "hubot"]
    assert "several words" in why(asked(record([], ["octocat hubot"])))


def test_a_record_is_taken_whole_or_not_at_all() -> None:
    found = asked(record(["everything except", "octocat/keep-this"]) + "\n" + record(["octocat/hello"]))
    assert names(found) == ["octocat/hello"]
    (one,) = found.set_aside
    assert (one.line, one.text) == (1, "everything except")


def test_an_account_among_repositories_is_taken_when_accounts_name_it_too() -> None:
    assert names(asked(record(["Octocat", "octocat/hello"], ["octocat"]))) == ["octocat", "octocat/hello"]


def test_names_that_differ_in_case_or_form_are_one() -> None:
    found = asked("\n".join(record([], [one]) for one in ("Octocat", "octocat", "\uff2fCTOCAT", "@octocat")))
    assert names(found) == ["Octocat"]
    assert names(asked(record(["A/B", "a/b", "https://github.com/a/B.git"]))) == ["A/B"]


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        (record(), 1, "names nothing"),
        ('{"author": "a"}', 1, "names nothing"),
        (record(["a/b"], notes="and my organisation too"), 1, "no key of a record"),
        (record([1]), 1, "no list of texts"),
        (record({"a": "b"}), 1, "no list of texts"),
        ('["octocat"]', 1, "is no record"),
        ("{}\n{", 2, "is no JSON"),
        ('{"optout_repos": ["a/b"], "optout_repos": []}', 1, "is no JSON"),
        ("[[[[" * 10_000, 1, "is no JSON"),
        ("[\n" + record(["a/b"]) + ",\n", 3, "cut off"),
    ],
)  # fmt: skip
def test_what_is_no_record_is_set_aside_with_its_line(text: str, line: int, reason: str) -> None:
    assert [one.line for one in asked(text).set_aside if reason in one.why] == [line]


def test_a_damaged_record_costs_the_others_nothing() -> None:
    found = asked("[\n" + record(["a/b"]) + ",\n{broken},\n" + record(["c/d"]) + "\n]")
    assert names(found) == ["a/b", "c/d"]
    assert [(one.line, one.why) for one in found.set_aside] == [(3, "is no JSON")]


# Lines


def test_lines_name_owners_and_repositories_with_comments() -> None:
    text = (
        "# our own list\n\noctocat\noctocat/hello  # asked by letter\n  https://gitlab.com/group/sub/repo\r\n@hubot\n"
    )
    found = asked(text)
    assert found.set_aside == ()
    assert [(one.kind, one.host, one.name) for one in found.entries] == [
        ("owner", "github.com", "octocat"),
        ("repository", "github.com", "octocat/hello"),
        ("repository", "gitlab.com", "group/sub/repo"),
        ("owner", "github.com", "hubot"),
    ]


def test_lines_of_another_host_live_there() -> None:
    found = asked("group\ngroup/sub/repo\nhttps://git.example.org/a/b\n", host="git.example.org")
    assert [(one.host, one.name) for one in found.entries] == [
        ("git.example.org", name) for name in ("group", "group/sub/repo", "a/b")
    ]


def test_lines_that_are_not_understood_keep_their_number() -> None:
    found = asked("octocat\n\nplease remove me\n# fine\nall\n\u00e9\n".encode("latin-1"))
    assert names(found) == ["octocat"]
    assert [(one.line, one.text) for one in found.set_aside] == [(3, "please remove me"), (5, "all"), (6, "\\\\xe9")]


# Tables


def test_a_table_has_the_columns_that_its_header_names() -> None:
    text = "# kept by hand\nowner;repo;numeric_id;host\nOctocat;;583231;\nhttps://github.com/octocat;hello;1296269;github.com\n\ngroup/sub;;;GitLab.com\n"
    found = asked(text)
    assert found.set_aside == ()
    assert [(one.kind, one.host, one.name, one.numeric_id) for one in found.entries] == [
        ("owner", "github.com", "Octocat", 583231),
        ("repository", "github.com", "octocat/hello", 1296269),
        ("owner", "gitlab.com", "group/sub", None),
    ]


@pytest.mark.parametrize(
    "row", ["octocat,hello,x,", "octocat,hello,0,", "octocat,,", ",hello,,", "octocat,a/b,,", "a,,,pypi", "a,,,no host", "all,,,",
            '"a,b",,,', "octocat,hello,1,github.com,more", "octocat/hello,,,"],
)  # fmt: skip
def test_a_row_that_is_not_understood_is_set_aside(row: str) -> None:
    found = asked(f"owner,repo,numeric_id,host\nhubot,,,\n{row}\n")
    assert names(found) == ["hubot"]
    assert [one.line for one in found.set_aside] == [3]


def test_a_table_with_an_unknown_column_is_refused() -> None:
    with pytest.raises(InputError, match=r"file: column 'email' is unknown"):
        asked("owner,email\noctocat,a@example.org\n")


@pytest.mark.parametrize("text", ["", " \n\n", "# nobody\n", "owner,repo\n", "[]"])
def test_a_file_that_names_nobody_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="names nobody|holds nothing"):
        asked(text)


def test_a_suppression_list_is_not_imported() -> None:
    made = SuppressionList(issuer="local", epoch=1, created=DAY, entries=())
    with pytest.raises(InputError, match="is a suppression list already"):
        asked(write(made))


_WORDS = st.sampled_from(
    [
        "a/b",
        "octocat",
        "all",
        "@x",
        "#",
        ",",
        "\t",
        "\n",
        '"',
        "{",
        "}",
        "[",
        "]",
        ":",
        "https://github.com/a/b",
        "\U000e0061",
        "\\",
    ]
)


@given(st.lists(_WORDS | st.text(max_size=4), max_size=20).map("".join))
def test_whatever_a_file_holds_entries_are_valid_and_no_line_is_dropped(text: str) -> None:
    raw = text.encode("utf-8", "surrogatepass")
    try:
        found = asked(raw)
    except InputError:
        return
    made = SuppressionList(issuer="local", epoch=1, created=DAY, entries=found.entries)
    assert read(write(made).encode(), "list", {}) == made
    assert all(one.text.isascii() and one.text.isprintable() and one.why for one in found.set_aside)


_LINES = st.sampled_from(
    ["a/b", "octocat", "all", "please remove me", "x y/z", "^.+$", "https://github.com/c/d.git", "@e", "f/g, h/i"]
)


@given(st.lists(_LINES, min_size=1))
def test_every_line_is_taken_or_set_aside(lines: list[str]) -> None:
    found = asked("\n".join(lines))
    aside = {one.line: one.whole for one in found.set_aside}
    assert all(lines[line - 1] == whole for line, whole in aside.items())
    taken = [line for number, line in enumerate(lines, 1) if number not in aside]
    alone = [name for line in taken for name in names(asked(line))]
    assert names(found) == list(dict.fromkeys(alone))


@given(st.text())
def test_what_is_shown_is_short_printable_ascii(text: str) -> None:
    assert shown(text).isascii() and len(shown(text)) <= MOST_SHOWN and (not text or shown(text).isprintable())


# Joining

OLD = Entry(kind="owner", host="github.com", name="Octocat", since="2025-01-01", spread="near", granted="moderator")


def earlier(*entries: Entry, **values: Any) -> SuppressionList:
    return SuppressionList(**({"issuer": "local", "epoch": 7, "created": "2026-01-01", "entries": entries} | values))


def test_the_next_list_is_the_full_set_under_the_next_epoch() -> None:
    other = Entry(kind="email", email_hash="0" * 64, since="2025-01-01", effect="mask")
    found = merged(earlier(OLD, other, author_key_id="k"), asked("octocat\nhubot\n").entries, "local", DAY)
    assert (found.made.epoch, found.made.created, found.made.author_key_id) == (8, DAY, "k")
    assert found.made.entries == (OLD, other, Entry(kind="owner", host="github.com", name="hubot", since=DAY))
    assert (found.new, found.known, found.renewed) == (1, 1, 0)
    assert merged(None, (), "local", DAY).made.epoch == 1


def test_what_is_asked_again_is_in_force_again_and_keeps_its_day() -> None:
    ended = Entry(
        kind="owner",
        host="github.com",
        name="octo",
        since="2025-01-01",
        until="2025-02-01",
        effect="mask",
        granted="moderator",
    )
    found = merged(earlier(ended), asked("Octo\n", spread="exact").entries, "local", DAY)
    assert found.made.entries == (
        Entry(kind="owner", host="github.com", name="octo", since="2025-01-01", spread="exact"),
    )
    assert (found.new, found.known, found.renewed) == (0, 0, 1)


def test_a_list_of_another_issuer_or_a_later_day_is_refused() -> None:
    with pytest.raises(InputError, match="of issuer 'other', not 'local'"):
        merged(earlier(issuer="other"), (), "local", DAY)
    with pytest.raises(InputError, match="--created 2026-11-21 is before 2026-12-01"):
        merged(earlier(created="2026-12-01"), (), "local", DAY)


_ENTRIES = st.builds(
    Entry, kind=st.just("owner"), host=st.just("github.com"), name=st.sampled_from(["a", "A", "b", "c"]), since=st.just("2025-01-01"),
    spread=st.sampled_from(["none", "exact", "near"]), numeric_id=st.sampled_from([None, 1]), until=st.sampled_from(["", "2025-06-01"]),
)  # fmt: skip


@given(st.lists(_ENTRIES), st.lists(_ENTRIES.map(lambda one: replace(one, until=""))))
def test_joining_loses_no_entry_and_weakens_none(before: list[Entry], new: list[Entry]) -> None:
    made = merged(earlier(*before), new, "local", DAY).made

    def reach(entries: Any) -> set[tuple[str, int | None, str]]:
        order = ["none", "exact", "near"]
        return {(fold_name(e.name), e.numeric_id, w) for e in entries for w in order[: order.index(e.spread) + 1]}

    assert reach(made.entries) == reach([*before, *new])
    assert all(old.since == now.since for old, now in zip(before, made.entries, strict=False))
    again = merged(made, new, "local", DAY)
    assert again.made.entries == made.entries and again.new == again.renewed == 0
