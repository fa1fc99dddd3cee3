"""Keyword search: words of code, queries, lines shown, and answers that follow removals."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack_data import storage
from stack_data.errors import InputError
from stack_data.search import keyword, keyword_index
from stack_data.search.code_words import spelled, streams, words, words_of
from stack_data.search.highlights import highlights
from stack_data.search.index import open_index
from stack_data.search.keyword_index import KeywordIndex, update, verify
from stack_data.search.keyword_query import MOST_CLAUSES, clauses_of
from stack_data.search.merge import merge
from stack_data.search.removals import remove
from tests.search.published import HTTP, copied, published

# Words


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("parseHTTPRequest_v2", ["parse", "http", "request", "v2"]),
        ("XMLHttpRequest", ["xml", "http", "request"]),
        ("__init__", ["init"]),
        ("sha256sum", ["sha256sum"]),
        ("Base64Encoder", ["base64", "encoder"]),
        ("SCREAMING_SNAKE", ["screaming", "snake"]),
        ("aB AB Ab", ["a", "b", "ab", "ab"]),
        ("kebab-case.dotted->x", ["kebab", "case", "dotted", "x"]),
        ("GrößeMax", ["größe", "max"]),
        ("数据data", ["数", "据", "data"]),
        ("naïve ΣΑΣ", ["naïve", "σασ"]),
        ("_ ___ ++ ::", []),
        ("x" * 81 + " ok", ["ok"]),
    ],
)  # fmt: skip
def test_identifiers_are_split_on_camel_and_snake_case(text: str, found: list[str]) -> None:
    assert [word for lexeme in words_of(text) for word in lexeme] == found


@given(st.lists(st.text(max_size=40), max_size=5))
def test_words_lie_in_their_text_and_are_the_same_whatever_stands_beside_it(texts: list[str]) -> None:
    texts = [one.encode("utf-8", "replace").decode() for one in texts]
    array = pa.array(texts, pa.large_string())
    found = words(array)
    for row, text in enumerate(texts):
        mine = slice(found.bounds[row], found.bounds[row + 1])
        alone = words(pa.array([text], pa.large_string()))
        pieces = [found.data[a:b].tobytes() for a, b in zip(found.starts[mine], found.ends[mine], strict=True)]
        assert pieces == [alone.data[a:b].tobytes() for a, b in zip(alone.starts, alone.ends, strict=True)]
        assert all(one and one in text.encode() for one in pieces)
    joined, _ = streams(array)
    assert [len(one.split()) for one in joined.to_pylist()] == [int(n) for n in found.bounds[1:] - found.bounds[:-1]]
    assert len(spelled(found)) == len(found.starts)


def test_compound_identifiers_are_kept_as_they_are_written() -> None:
    assert streams(pa.array(["fooBar = foo_bar(Bar)"], pa.large_string()))[1].to_pylist() == ["fooBar foo_bar "]


def test_a_licence_is_found_wherever_an_expression_has_it(tmp_path: Path) -> None:
    expressions = [
        "MIT",
        "Apache-2.0 OR MIT",
        "(Apache-2.0 OR BSD-3-Clause) AND MIT",
        "Apache-2.0 WITH LLVM-exception",
        None,
    ]
    paths = pa.array([[f"{row}.py"] for row in range(5)], pa.list_(pa.string()))
    keyed = keyword.Keyed(
        np.arange(5), pa.array(["socket"] * 5, pa.large_string()), paths, pa.array([["h/o/r"]] * 5, pa.list_(pa.string())),
        pa.array(["Python"] * 5), pa.array(expressions),
    )  # fmt: skip
    keyword.write(tmp_path / "1", [keyed])
    opened = keyword.Keywords(tmp_path / "1")
    found = {
        asked: sorted(opened.search(clauses_of(f"socket license:{asked}"), 10).rows.tolist())
        for asked in ("MIT", "apache-2.0", "BSD-3-Clause", '"Apache-2.0 WITH LLVM-exception"', "Zlib")
    }
    assert found == {
        "MIT": [0, 1, 2],
        "apache-2.0": [1, 2, 3],
        "BSD-3-Clause": [2],
        '"Apache-2.0 WITH LLVM-exception"': [3],
        "Zlib": [],
    }


# Queries


def test_a_query_is_read_as_clauses() -> None:
    found = clauses_of('parse "HTTP request" exact:fooBar path:src/net -lang:Go license:MIT std::vector')
    assert [(one.field, one.words, one.value, one.excluded) for one in found] == [
        ("text", ("parse",), "parse", False), ("text", ("http", "request"), "HTTP request", False),
        ("exact", ("foo", "bar"), "fooBar", False), ("path", ("src", "net"), "src/net", False), ("lang", (), "Go", True),
        ("license", (), "MIT", False), ("text", ("std", "vector"), "std::vector", False),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text", ["", "  ", "++", "-parse", '""', "-lang:Go", "w" * 2001, " ".join(map(str, range(MOST_CLAUSES + 1)))]
)
def test_what_is_no_query_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(InputError) as refused:
        clauses_of(text)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("a lang:Pythn", "did you mean 'Python'"),
        ("a license:MTI", "did you mean 'MIT'"),
        ("a license:zzzzqq", "no licence"),
        ("a license:MIT/Zlib", "a filter for each"),
    ],
)
def test_a_language_or_licence_that_is_none_is_refused_with_the_nearest(text: str, meant: str) -> None:
    with pytest.raises(InputError, match=meant):
        clauses_of(text)


def test_languages_and_licences_go_by_every_name_they_have() -> None:
    assert [one.value for one in clauses_of("lang:py lang:C++ license:mit license:GPL-2.0+")] == [
        "Python", "C++", "MIT", "GPL-2.0-or-later",
    ]  # fmt: skip


@given(st.text(max_size=60))
def test_any_text_is_a_query_or_refused(text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    try:
        found = clauses_of(text)
    except InputError:
        return
    highlights(text.encode(), found)


# Lines


def test_the_lines_with_most_of_the_query_are_shown_with_their_spans() -> None:
    text = "nothing\r\nré = http_request  # parse\rparseHTTPRequest()\nparse\n"
    found = highlights(text.encode(), clauses_of('"http request" parse'), 2)
    assert [(one.number, one.text, [one.text[a:b] for a, b in one.spans]) for one in found] == [
        (2, "ré = http_request  # parse", ["http_request", "parse"]), (3, "parseHTTPRequest()", ["parseHTTPRequest"]),
    ]  # fmt: skip


def test_a_long_line_is_cut_around_what_was_found() -> None:
    (line,) = highlights(("é" * 5000 + " needle " + "x " * 5000).encode(), clauses_of("needle"))
    assert len(line.text) <= 240
    assert [line.text[a:b] for a, b in line.spans] == ["needle"]


def test_an_exact_identifier_is_whole_and_cased() -> None:
    text = b"fooBar fooBarBaz foobar my_fooBar\n"
    (line,) = highlights(text, clauses_of("exact:fooBar"))
    assert line.spans == ((0, 6),)


# Answers


@pytest.fixture(scope="module")
def index() -> KeywordIndex:
    return KeywordIndex(published())


def found(index: KeywordIndex, query: str) -> set[str]:
    return {one.facts.places[0].path for one in index.search(query).files}


@pytest.mark.parametrize(
    ("query", "paths"),
    [
        ("parse request", {"src/http_client.py"}),
        ('"parse http request"', {"src/http_client.py"}),
        ('"request parse"', set()),
        ("parseHTTPRequest", {"src/http_client.py"}),
        ("parse_http_request", {"src/http_client.py"}),
        ("exact:parseHTTPRequest", {"src/http_client.py"}),
        ("exact:parse_http_request", set()),
        ("exact:RetryPolicy", {"src/http_client.py"}),
        ("socket pool", {"net/socket_pool.py"}),
        ("path:net", {"net/socket_pool.py"}),
        ("path:vendored", {"util.py"}),
        ("socket lang:python", {"net/socket_pool.py"}),
        ("socket lang:C", set()),
        ("socket license:mit", {"net/socket_pool.py"}),
        ("socket license:Apache-2.0", set()),
        ("repo:gitlab.com/group", {"net/socket_pool.py"}),
        ("repo:https://gitlab.com/group/sub/proj.git", {"net/socket_pool.py"}),
        ("def repo:jane/lib", {"src/http_client.py", "util.py", "big.py"}),
        ("def repo:JOHN -main", {"util.py"}),
        ("socket -connection", set()),
        ("größe 你好", {"net/socket_pool.py"}),
        ("GRÖSSE", set()),
        ("nowheretobefound", set()),
    ],
)  # fmt: skip
def test_a_query_finds_what_holds_all_of_it(index: KeywordIndex, query: str, paths: set[str]) -> None:
    # Which of two near duplicates was released does not matter here.
    assert {one.replace("big_copy.py", "big.py") for one in found(index, query)} == paths or found(
        index, query
    ) == paths


def test_an_answer_has_lines_facts_and_what_was_searched(index: KeywordIndex) -> None:
    value = json.loads(json.dumps(index.search("next delay").to_json()))
    (file,) = value["files"]
    assert (file["host"], file["repo_name"], file["path"]) == ("github.com", "Jane/Lib", "src/http_client.py")
    assert (file["language"], file["license"], file["versions"]) == ("Python", "MIT", ["corpus 1.0.0"])
    (line,) = file["lines"]
    assert HTTP.splitlines()[line["number"] - 1] == line["text"]
    assert [line["text"][a:b] for a, b in line["spans"]] == ["next", "delay"]
    assert (value["num_files"], value["capped"]) == (1, False)
    assert value["searched"][0]["release"] == "corpus 1.0.0"


def test_a_content_at_several_places_is_one_file_and_pages_do_not_overlap(index: KeywordIndex) -> None:
    every = [one.facts.content_id for one in index.search("def", 0, 50).files]
    assert len(set(every)) == len(every) == index.search("def").num_files
    assert [one.facts.content_id for at in range(len(every)) for one in index.search("def", at, 1).files] == every
    with pytest.raises(InputError, match="only the first"):
        index.search("def", 1000, 1)


def test_what_is_removed_is_found_no_more_not_even_by_its_path(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    index = KeywordIndex(open_index(folder))
    assert found(index, "path:vendored") == {"util.py"}
    assert found(index, "repo:john util") == {"util.py"}
    remove(folder, repositories=["github.com/john/tool"])
    assert found(index, "path:vendored") == found(index, "repo:john") == found(index, "vendored util") == set()
    assert found(index, "util") == {"util.py"}
    remove(folder, repositories=["github.com/jane/lib"])
    assert found(index, "parse") == set()
    assert index.search("parse").num_files == 0


def test_a_merge_leaves_no_word_of_what_was_removed(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    remove(folder, owners=["gitlab.com/group"])
    merge(folder)
    with pytest.raises(InputError, match="keyword index"):
        KeywordIndex(open_index(folder))
    update(folder)
    index = KeywordIndex(open_index(folder))
    assert found(index, "parse") == {"src/http_client.py"}
    for path in (folder / keyword_index.KEYWORDS).rglob("*"):
        assert path.is_dir() or b"socket" not in path.read_bytes().lower()


def test_an_index_without_keywords_says_how_to_make_them(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    shutil.rmtree(folder / keyword_index.KEYWORDS)
    with pytest.raises(InputError, match="fairstack search keywords"):
        KeywordIndex(open_index(folder))


def test_leftovers_of_a_killed_writer_are_deleted_and_made_anew(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    keywords = folder / keyword_index.KEYWORDS
    shutil.rmtree(keywords)
    (keywords / ".1.99.tmp").mkdir(parents=True)
    (keywords / "1").mkdir()
    update(folder)
    assert sorted(one.name for one in keywords.iterdir()) == ["1"]
    assert found(KeywordIndex(open_index(folder)), "parse") == {"src/http_client.py"}


@pytest.mark.parametrize("damage", ["shorter", "bit", "gone"])
def test_damage_of_any_file_is_told_when_it_is_opened(tmp_path: Path, damage: str) -> None:
    folder = copied(tmp_path)
    assert list(verify(folder)) == []
    for path in sorted((folder / keyword_index.KEYWORDS / "1").iterdir()):
        raw = path.read_bytes()
        # Of the manifest only the last line break would be missing.
        if path.suffix == ".lock" or not raw or (damage == "shorter" and path.name == keyword.MANIFEST):
            continue
        path.unlink() if damage == "gone" else path.write_bytes(
            raw[:-1] if damage == "shorter" else bytes([raw[0] ^ 4]) + raw[1:]
        )
        with pytest.raises(InputError):
            KeywordIndex(open_index(folder))
        path.write_bytes(raw)
    KeywordIndex(open_index(folder))


def test_another_version_of_words_is_refused(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    path = folder / keyword_index.KEYWORDS / "1" / "keywords.json"
    storage.write_json(path, storage.read_json(path) | {"words": 0})
    with pytest.raises(InputError, match="another version.*make it anew: search keywords"):
        KeywordIndex(open_index(folder))
    update(folder)
    assert found(KeywordIndex(open_index(folder)), "socket pool")


@pytest.mark.parametrize("damage", ["changed", "gone", "no manifest", "no JSON", "[]"])
def test_what_is_damaged_is_made_anew_as_the_error_says(tmp_path: Path, damage: str) -> None:
    folder = copied(tmp_path)
    beside = folder / keyword_index.KEYWORDS / "1"
    whole = {path.name for path in beside.iterdir()}
    one = max(beside.iterdir(), key=lambda path: path.stat().st_size)
    if damage == "changed":
        one.write_bytes(bytes([one.read_bytes()[0] ^ 4]) + one.read_bytes()[1:])
    elif damage == "gone":
        one.unlink()
    elif damage == "no manifest":
        (beside / keyword.MANIFEST).unlink()
    else:
        (beside / keyword.MANIFEST).write_text(damage)
    with pytest.raises(InputError):
        KeywordIndex(open_index(folder))
    update(folder)
    assert found(KeywordIndex(open_index(folder)), "socket pool") and len(list(beside.iterdir())) == len(whole)
    before = {path: path.stat().st_mtime_ns for path in beside.iterdir()}
    update(folder)
    assert {path: path.stat().st_mtime_ns for path in beside.iterdir()} == before
