"""Marks in a repository that reserve it: each format alone, attributes against git itself, hostile files, the stage."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stack_data.config import LimitsConfig
from stack_data.config_sources import GitConfig, GitRepositoryConfig
from stack_data.fetch import _repository_row
from stack_data.records import REPOSITORIES
from stack_data.signals import SIGNAL_PATHS, candidates, is_signal_file, reserved, tree
from stack_data.signals.opt_out_file import opts_out
from stack_data.signals.preferences import rules_of
from stack_data.signals.wildmatch import Pattern
from stack_data.sources import git
from stack_data.sources.source import SourceContext

GIT = {
    "PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_ATTR_NOSYSTEM": "1",
}  # fmt: skip


def reached(files: dict[str, str | None], paths: Sequence[str], topics: Sequence[str] = ()) -> list[str]:
    """Return the paths that are reserved."""
    return [path for path, detail in zip(paths, reserved(files, topics).of(paths), strict=True) if detail]


# -- .github/ai-opt-out


@pytest.mark.parametrize(
    "text",
    [
        "opt-out: true", "opt-out: true\n", "Opt-Out : 'YES' # please", "opt_out=1", '{"opt-out": true}', "opt-out: on",
        "\ufeffopt-out: true", "true", "", "# opt-out: false", "please do not train on this", "ai-optout: all",
        "a: 1\nopt-out: true", "opt-out: false\nai-opt-out: true", None,
    ],
)  # fmt: skip
def test_an_opt_out_file_opts_out_whatever_it_holds(text: str | None) -> None:
    assert opts_out(text)
    assert reserved({".github/ai-opt-out": text}).of(["a/b.c"]) == [".github/ai-opt-out: opt-out"]


@pytest.mark.parametrize("text", ["opt-out: false", "OPT_OUT = 'No'", "false", "# why\noff\n", '{"opt-out": false}'])
def test_an_opt_out_file_that_says_false_is_none(text: str) -> None:
    assert not opts_out(text)
    assert not reserved({".github/ai-opt-out": text})


def test_an_opt_out_file_reaches_its_own_project_alone() -> None:
    files: dict[str, str | None] = {"third_party/x/.gitlab/ai-opt-out.yml": "opt-out: true"}
    paths = ["a.c", "third_party/x/a.c", "third_party/x/b/c.c", "third_party/xy/a.c", "third_party/x.c"]
    assert reached(files, paths) == ["third_party/x/a.c", "third_party/x/b/c.c"]
    assert reserved(files).everywhere is None


@pytest.mark.parametrize(
    "path", [".github/AI-opt-out", ".gitea/ai-opt-out.yaml", ".forgejo/ai-opt-out", "ai-opt-out", ".ai-opt-out"]
)
def test_variants_of_the_opt_out_file_count(path: str) -> None:
    assert is_signal_file(path)
    assert reserved({path: ""}).everywhere == f"{path}: opt-out"


@pytest.mark.parametrize(
    "path",
    ["src/ai-opt-out", "ai-opt-out/page.tsx", ".github/ai-opt-out/x", "robots.txt", "ai.txt", "README.md", "LICENSE",
     "index.html", "docs/.ai-preferences", "docs/tdmrep.json", ".github/.gitattributes.md"],
)  # fmt: skip
def test_other_files_are_no_signals(path: str) -> None:
    says = "opt-out: true\nUser-agent: *\nContent-Usage: train-ai=n\n<meta name='tdm-reservation' content='1'>\n* ai-training=false"
    assert not is_signal_file(path)
    assert not reserved({path: says})


# -- .gitattributes


def test_an_attribute_reserves_the_files_of_its_pattern() -> None:
    files: dict[str, str | None] = {".gitattributes": "*.c ai-training=false\nold/*.c ai-training\n"}
    assert reserved(files).of(["a.c", "x/b.c", "old/c.c", "old/x/c.c", "a.py"]) == [
        ".gitattributes: ai-training=false", ".gitattributes: ai-training=false", None,
        ".gitattributes: ai-training=false", None,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("attribute", "says_no"),
    [
        ("ai-training=false", True), ("-ai-training", True), ("ai-training=NO", True), ("ai-training=0", True),
        ("ai-training=off", True), ("train-ai=n", True), ("noai", True), ("no-ai-training=true", True), ("noai=x", True),
        ("AI-Training=False", True), ("ai-training=false text", True), ("ai-training", False), ("ai-training=true", False),
        ("ai-training=perhaps", False), ("ai-training=", False), ("!ai-training", False), ("-noai", False),
        ("noai=false", False), ("text", False), ("ai-training-x=false", False), ("ai-training=false a=b=c --x", False),
    ],
)  # fmt: skip
def test_words_of_attributes(attribute: str, says_no: bool) -> None:
    assert bool(reached({".gitattributes": f"* {attribute}\n"}, ["a.c"])) == says_no


def test_each_attribute_is_looked_up_apart() -> None:
    text = "* noai\n* ai-training=true\n"
    assert reserved({".gitattributes": text}).everywhere == ".gitattributes: noai"


def test_nearer_files_and_later_lines_win() -> None:
    files: dict[str, str | None] = {
        ".gitattributes": "* ai-training=false\n/a/b/** ai-training=false\n",
        "a/.gitattributes": "* ai-training\nd.c !ai-training\n",
        "a/b/.gitattributes": "c.c -ai-training\n",
    }
    paths = ["x.c", "a/c.c", "a/d.c", "a/b/c.c", "a/b/d.c"]
    assert reserved(files).of(paths) == [
        ".gitattributes: ai-training=false", None, None, "a/b/.gitattributes: -ai-training", None,
    ]  # fmt: skip


def test_macros_of_the_root_are_followed() -> None:
    root = "[attr]secret -diff confidential\n[attr]confidential ai-training=false\nvault/* secret\n"
    files: dict[str, str | None] = {".gitattributes": root, "sub/.gitattributes": "[attr]secret\n*.c secret\n"}
    assert reached(files, ["vault/a", "sub/a.c", "sub/a.py"]) == ["vault/a", "sub/a.c"]


NAMES = st.sampled_from(["a", "b", "ab", "ba", "aab", "a.b", "é", "1", "-", "]", "*", "!a", "b a"])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
PIECES = st.sampled_from(
    ["a", "b", "1", "é", "*", "**", "?", "/", "**/", "/**", "\\", "[ab]", "[!a]", "[^b]", "[a-b]", "[]a]", "[[:alpha:]]",
     "[[:digit:]-]", "[\\]a]", "[--1]", "[b-a]", "[[:none:]]", "[a-", "[", "]", "!", "-", ".", "\\*"]
)  # fmt: skip
PATTERNS = st.lists(PIECES, min_size=1, max_size=5).map("".join)
QUOTED = PATTERNS.map(lambda pattern: '"' + pattern.replace("\\", "\\\\") + '"') | st.sampled_from(
    ['"\\141"', '"b a"', '"a', '"\\9"', '"a"x', '"[attr]m" n', "[attr]", "# a", '"\\303\\251"']
)
STATES = st.sampled_from(
    ["ai-training=false", "-ai-training", "ai-training", "!ai-training", "ai-training=no", "ai-training=true", "noai",
     "-noai", "m", "-m", "!m", "n", "binary", "text", "--bad", "-ai-training=x"]
)  # fmt: skip
ASSIGNED = st.lists(STATES, min_size=1, max_size=3).map(" ".join)
MACROS = st.tuples(st.sampled_from(["[attr]m", "[attr]n", "[attr]binary"]), st.lists(STATES, max_size=2).map(" ".join))
LINES = st.tuples(st.sampled_from(["*", "*.b", "a", "/a", "a/**"]) | PATTERNS | QUOTED, ASSIGNED) | MACROS
ENDS = st.sampled_from(["\n", "\r\n", " \n"])
TEXTS = st.lists(st.tuples(LINES.map("\t".join), ENDS).map("".join), min_size=1, max_size=6).map("".join)
FILES = st.dictionaries(
    st.sampled_from(["", "a/", "b/", "a/b/", "é/"]).map(lambda one: f"{one}.gitattributes"), TEXTS, min_size=1
)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    subprocess.run(["git", "init", "-q"], cwd=folder, env=GIT, check=True)
    return folder


def git_says(folder: Path, files: dict[str, str], paths: Sequence[str]) -> list[bool]:
    """Return for each path whether git's own answer is that an attribute says no."""
    for old in folder.rglob(".gitattributes"):
        old.unlink()
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(text.encode())
    words = ["git", "check-attr", "-z", "--stdin", "ai-training", "noai"]
    given_paths = b"".join(path.encode() + b"\0" for path in paths)
    done = subprocess.run(words, cwd=folder, env=GIT, input=given_paths, capture_output=True, check=True)
    values = done.stdout.decode().split("\0")[2::3]
    return [
        training in ("unset", "false", "no") or noai == "set"
        for training, noai in zip(values[::2], values[1::2], strict=True)
    ]


@settings(max_examples=200)
@given(files=FILES, paths=st.lists(PATHS, min_size=1, max_size=30, unique=True))
def test_attributes_are_what_git_says(repository: Path, files: dict[str, str], paths: list[str]) -> None:
    says_no = git_says(repository, files, paths)
    assert reached(dict(files), paths) == [path for path, no in zip(paths, says_no, strict=True) if no]


@settings(max_examples=200)
@given(pattern=PATTERNS, paths=st.lists(PATHS, min_size=10, max_size=40, unique=True))
def test_a_pattern_matches_what_git_matches(repository: Path, pattern: str, paths: list[str]) -> None:
    files = {".gitattributes": f"{pattern} -ai-training\n"}
    says_no = git_says(repository, files, paths)
    assert reached(dict(files), paths) == [path for path, no in zip(paths, says_no, strict=True) if no]


@pytest.mark.parametrize(
    "pattern",
    [
        "a", "/a", "a/b", "/a/b", "a/", "/a/", "*", "*/", "/*", "/*/", "*b", "**", "/**", "a/**", "a**", "a/b**", "**/b", "**b",
        "a/**/b", "a/*/b", "a*b", "a?b", "a/?b", "x/a?b", "/a[!x]b", "a[/]b", "/a[.-0]b", "?", "??", "[a-b]", "[b-a]", "[!a]",
        "[^a]*", "[]]", "[!]]", "[]-a]", "[a", "[[:alpha:]]", "[[:alpha]", "[[:none:]]", "[[::]]", "[[:digit:][:upper:]]",
        "[\\]]", "\\a", "\\*", "\\", "a\\", "\\!a", "!a", "a\\/b", "**\\/b", "é", "[é]", "[é][é]", '"a b"', '"\\303\\251"',
        '"\\\\*"', '"a', '""', '"[a]"b', "a*/**/*b", "***/b", "*a*b*", "/a/**/", "//a", "a//b",
    ],
)  # fmt: skip
def test_a_pattern_chosen_by_hand_matches_what_git_matches(repository: Path, pattern: str) -> None:
    paths = [
        "a", "b", "ab", "aab", "axb", "a b", "A", "1", "é", "]", "-", "[", "*", "!a", "\\", "a/b", "a/a", "a/ab", "a/x/b",
        "a/x/y/b", "x/a", "x/b", "x/a/b", "x/axb", "a/b/c", "a/bc/d", "[a]b", "x/y/ab", "a/é", '"a',
    ]  # fmt: skip
    files = {".gitattributes": f"{pattern} -ai-training\n", "x/.gitattributes": f"{pattern} noai\n"}
    says_no = git_says(repository, files, paths)
    assert reached(dict(files), paths) == [path for path, no in zip(paths, says_no, strict=True) if no]


def test_lines_too_long_for_git_are_left_out(repository: Path) -> None:
    for length in (2047, 2048):
        line = "a.c -ai-training".ljust(length - 1) + "x"
        says_no = git_says(repository, {".gitattributes": f"{line}\n"}, ["a.c"])
        assert says_no == [length == 2047]
        assert bool(reached({".gitattributes": f"{line}\n"}, ["a.c"])) == says_no[0]


# -- .ai-preferences


@pytest.mark.parametrize(
    ("text", "says_no"),
    [
        ("train-ai=n", True), ("Content-Usage: train-ai=n", True), ("content-usage:train-ai=n;x=1, search=y", True),
        ("search=y,train-ai = n # why", True), ('train-ai="n"', True), ("train-ai=y\ntrain-ai=n", True),
        ("/ train-ai=n", True), ("train-ai=y", False), ("train-ai=no", False), ("Train-AI=n", False), ("train-ai", False),
        ("train-ai=?0", False), ("train-genai=n, bots=n, ai=n", False), ("search=n", False), ("# train-ai=n", False),
        ("User-Agent: train-ai=n", False), ('x="a, train-ai=n"', False), ("", False),
    ],
)  # fmt: skip
def test_preferences(text: str, says_no: bool) -> None:
    expected = [".ai-preferences: train-ai=n"] if says_no else [None]
    assert reserved({".ai-preferences": text}).of(["a.c"]) == expected


def test_the_longest_path_of_the_preferences_decides() -> None:
    text = (
        "train-ai=n\nContent-Usage: /open train-ai=y\nContent-Usage: /open/not%20this/*.c$ train-ai=n\n/open search=n\n"
    )
    paths = ["a.c", "open/a.c", "opened.c", "open/not this/a.c", "open/not this/a.cc"]
    assert reached({".ai-preferences": text}, paths) == ["a.c", "open/not this/a.c"]


def test_no_wins_where_a_path_is_named_twice() -> None:
    assert reached({".ai-preferences": "/a train-ai=n\n/a train-ai=y"}, ["a", "b"]) == ["a"]


def test_unknown_preferences_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        assert rules_of("train-genai=n, search=y") == []
    assert "train-genai=n" in caplog.text and "search" not in caplog.text


# -- tdmrep.json


@pytest.mark.parametrize("path", [".well-known/tdmrep.json", "tdmrep.json"])
def test_the_first_reservation_that_reaches_a_path_decides(path: str) -> None:
    text = """[{"location": "/open", "tdm-reservation": 0}, {"location": "*.md$", "tdm-reservation": "0"},
               {"location": "https://example.org/src/", "tdm-reservation": 1, "tdm-policy": "x"}]"""
    paths = ["a.c", "open/a.c", "src/a.c", "src/a.md", "src/a.mdx"]
    assert reached({path: text}, paths) == ["src/a.c", "src/a.mdx"]
    assert reserved({path: text}).of(["src/a.c"]) == [f"{path}: tdm-reservation 1"]


@pytest.mark.parametrize(
    ("text", "says_no"),
    [
        ('[{"location": "/", "tdm-reservation": 1}]', True), ('{"tdm-reservation": 1}', True),
        ('[{"location": "/", "tdm-reservation": 1},]', True), ('[{"location": "/", "tdm-reservation": true}]', True),
        ('[{"location": "/", "tdm-reservation": 0}]', False), ('[{"location": "/", "tdm-reservation": 0},]', False),
        ('[{"location": 3, "tdm-reservation": 1}, 4, null, {"tdm-reservation": []}]', False), ("[" * 100_000, False),
        ("1" * 10_000, False), ("", False), ("null", False),
    ],
)  # fmt: skip
def test_reservations(text: str, says_no: bool) -> None:
    assert bool(reserved({"tdmrep.json": text}).everywhere) == says_no


# -- topics


def test_a_topic_reserves_the_repository() -> None:
    assert reserved({}, ["python", "No AI training"]).of(["a"]) == ["topic no-ai-training"]
    assert not reserved({}, ["ai", "training", "no-ai-here"])


def test_topics_of_a_table_are_words_or_a_list() -> None:
    for value in ("noai, python", "noai python", ["noai", "python"]):
        assert GitRepositoryConfig.model_validate({"url": "x", "topics": value}).topics == ("noai", "python")


def test_topics_of_a_table_reach_the_repositories(tmp_path: Path, repository: Path) -> None:
    identity = {f"GIT_{who}_{what}": "a@b.c" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    words = ["git", "commit", "-q", "--allow-empty", "-m", "m"]
    subprocess.run(words, cwd=repository, env=GIT | identity, check=True)
    (tmp_path / "table.csv").write_text(f'url,topics\n{repository},"noai, python"\n')
    config = GitConfig(kind="git", name="g", table="table.csv")
    context = SourceContext(tmp_path / "cache", tmp_path, LimitsConfig(), "2026-01-01")
    (tmp_path / "cache").mkdir()
    (unit,) = git.resolve(config, context)
    (found,) = git.read(unit, context).repositories
    row = _repository_row(found, "git", config, "2026-01-01")
    assert pa.Table.from_pylist([row], schema=REPOSITORIES)["topics"].to_pylist() == [["noai", "python"]]


# -- all of them


def test_the_whole_repository_is_told_from_its_parts() -> None:
    assert reserved({".gitattributes": "* -ai-training\ndocs/** ai-training"}).everywhere
    assert not reserved({".gitattributes": "*.c -ai-training"}).everywhere
    assert not reserved({})


def test_the_paths_to_ask_for_are_signal_files() -> None:
    assert {".github/ai-opt-out", ".gitattributes", ".ai-preferences", ".well-known/tdmrep.json"} <= set(SIGNAL_PATHS)
    found = pc.match_substring_regex(
        pa.array([*SIGNAL_PATHS, "a/.gitattributes", "a/.GitHub/ai-opt-out"]), candidates()
    )
    assert all(found.to_pylist()) and all(map(is_signal_file, SIGNAL_PATHS))
    others = ["a/ai-opt-out", "a/.ai-preferences", "x.gitattributes", ".gitattributes/x", "a/tdmrep.json"]
    assert not any(pc.match_substring_regex(pa.array(others), candidates()).to_pylist())


HOSTILE = st.text(st.characters(), max_size=80) | st.text('[]{}"\\*?/!-=:,;#n1 \n\0\ufeff', max_size=80)


@given(text=HOSTILE, paths=st.lists(st.text(st.characters(), max_size=20), max_size=5))
def test_no_text_raises(text: str, paths: list[str]) -> None:
    everything = dict.fromkeys(SIGNAL_PATHS, f"* ai-training=false {text}\n{text} -ai-training\n{text}")
    for path in SIGNAL_PATHS:
        reserved({path: text}).of(paths)
        reserved({path: everything[path]}).of(paths)
    assert len(reserved(dict(everything), [text]).of(paths)) == len(paths)


def test_only_the_first_bytes_of_a_huge_file_are_read() -> None:
    padding = "# x\n" * (128 * 1024 + 1)
    assert reached({".gitattributes": f"a -ai-training\n{padding}b -ai-training\n"}, ["a", "b"]) == ["a"]
    # A line that is cut says nothing: its end may be what matters.
    cut = "#" * (500 * 1024 - 20) + "\n* -ai-training=false"
    assert not reserved({".gitattributes": cut})


def test_rules_beyond_the_budget_reserve_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = ["a.c", "b.c"]
    slow = "*" + "a*" * 500 + "?" * 500 + " ai-training=true\n"
    assert reached({".gitattributes": slow}, paths) == []
    monkeypatch.setattr(tree, "MAX_WORK", 100_000)
    assert reserved({".gitattributes": slow}).of(paths) == ["more rules about training than can be read"] * 2
    macros = "".join(f"[attr]m{number} ai-training\n" for number in range(300))
    assert reserved({".gitattributes": f"{macros}z m1\n"}).of(["a"]) == ["more rules about training than can be read"]


def test_an_expression_too_large_for_re2_is_too_much_work() -> None:
    pattern = Pattern(True, b"", regex=rb"\A.*" + b"a.*" * 1_000_000)
    with pytest.raises(tree.TooMuchWork):
        tree.Tree(["a"]).matching(pattern, b"")


def test_a_path_of_any_length_is_told_by_its_end() -> None:
    folder = "a" * 1000
    (detail,) = reserved({f"{folder}/.gitattributes": "* noai"}).of([f"{folder}/a.c"])
    assert detail is not None and len(detail) < 250 and detail.endswith("a/.gitattributes: noai")
