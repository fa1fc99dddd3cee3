"""`fairstack search` as a person uses it: every verb, its JSON, and one clear line when something is wrong."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stack_data.cli_search import main
from stack_data.identity import content_id
from stack_data.terminal import size_of
from tests.leaving import code, entry, listed
from tests.search.published import HTTP, build_folder, copied, published, release_folder

UTIL = code("util")


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return copied(tmp_path)


def run(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    code_ = main([str(one) for one in words])
    told = capsys.readouterr()
    return code_, told.out, told.err


def value_of(capsys: pytest.CaptureFixture[str], *words: str | Path) -> Any:
    done, told, error = run(capsys, *words, "--json")
    assert (done, error) == (0, "")
    return json.loads(told)


def release() -> Path:
    return release_folder(build_folder().parent.parent)


def test_an_index_is_built_added_to_merged_and_verified(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = tmp_path / "new"
    made = value_of(capsys, "build", release(), "--index", folder, "--keywords")
    assert made["index"] == str(folder)
    assert [one["release"] for one in made["added"]] == ["corpus 1.0.0"]
    done, told, _ = run(capsys, "add", folder, release())
    assert done == 0 and "was there already" in told
    value_of(capsys, "remove", folder, "--repository", "https://github.com/john/tool.git")
    merged = value_of(capsys, "merge", folder)
    assert merged
    assert value_of(capsys, "verify", folder)["problems"] == []
    assert value_of(capsys, "text", folder, "vendored")["num_files"] == 0
    assert value_of(capsys, "text", folder, "parse request")["num_files"] == 1


def test_the_index_of_a_builds_release_lies_in_the_build(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    from stack_data.cli_search_index import _beside
    from stack_data.errors import ConfigError

    assert _beside([release()]) == build_folder().resolve() / "index"
    (tmp_path / "downloaded" / "1.0.0").mkdir(parents=True)
    with pytest.raises(ConfigError, match="--index"):
        _beside([tmp_path / "downloaded" / "1.0.0"])
    with pytest.raises(ConfigError, match="is no folder"):
        _beside([tmp_path / "nowhere"])
    with pytest.raises(ConfigError, match=r"is a build; name one of its releases"):
        _beside([build_folder()])


def test_a_snippet_is_found_with_file_lines_and_licence(
    capsys: pytest.CaptureFixture[str], index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "piece.py"
    path.write_text("\n".join(HTTP.splitlines()[3:14]))
    found = value_of(capsys, "snippet", index, path)
    assert (found["matches"][0]["path"], found["matches"][0]["license"]) == ("src/http_client.py", "MIT")
    assert found["matches"][0]["source_lines"][0] == 4
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(path.read_bytes())))
    done, told, _ = run(capsys, "snippet", index, "-", "--language", "Python")
    assert done == 0 and "src/http_client.py:4-" in told and told.splitlines()[-1].startswith("snippet: ")
    assert "searched: corpus 1.0.0" in told


def test_a_snippet_that_is_too_short_is_told_so(
    capsys: pytest.CaptureFixture[str], index: Path, tmp_path: Path
) -> None:
    path = tmp_path / "piece.py"
    path.write_text("def f(a):\n    return a + 1\n")
    done, told, _ = run(capsys, "snippet", index, path)
    assert done == 0 and "too short: it has 10 code tokens, and code is found from 32 on" in told
    path.write_text("x = first(a, b)[c] + d\n" * 3)
    assert "too short for copies with other names: it has 36" in run(capsys, "snippet", index, path)[1]


def test_every_place_is_named_when_asked_for(capsys: pytest.CaptureFixture[str], index: Path, tmp_path: Path) -> None:
    path = tmp_path / "piece.py"
    path.write_text(UTIL)
    assert "  and 1 more place; all of them: --all" in run(capsys, "snippet", index, path)[1].splitlines()
    told = run(capsys, "snippet", index, path, "--all")[1]
    assert "vendored_util/util.py" in told and "more place" not in told
    assert run(capsys, "file", index, path, "--all")[0] == 0


def test_a_snippet_waits_for_no_pandas_no_scipy_and_no_language_detection(index: Path, tmp_path: Path) -> None:
    path = tmp_path / "piece.py"
    path.write_text(UTIL)
    ask = (
        "import sys; from stack_data.cli_search import main; main(sys.argv[1:]); "
        "print([one for one in ('pandas', 'scipy.linalg', 'stack_data.inspect', 'stack_data.languages', 'stack_data.licenses') if one in sys.modules])"
    )
    words = [sys.executable, "-c", ask, "snippet", str(index), str(path)]
    told = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    assert told.splitlines()[-1] == "[]"


def test_an_owner_is_answered_in_three_parts(capsys: pytest.CaptureFixture[str], index: Path) -> None:
    found = value_of(capsys, "owner", index, "jane", "--build", build_folder())
    assert found["released"]["files"] == 4
    assert found["dropped"]["files"] >= 1
    assert found["elsewhere"]["exact"]["contents"] == 1
    done, told, _ = run(capsys, "owner", index, "jane", "--build", build_folder())
    assert done == 0 and "license_not_permissive" in told
    page = value_of(capsys, "repository", index, "git@github.com:Jane/Lib.git", "--list", "files", "--count", "1")
    assert (len(page["rows"]), page["total"], page["next"]) == (1, 3, 1)
    done, told, _ = run(capsys, "repository", index, "jane/lib", "--list", "exact")
    assert "vendored_util/util.py" in told


def test_a_file_is_looked_up_by_id_or_by_itself(
    capsys: pytest.CaptureFixture[str], index: Path, tmp_path: Path
) -> None:
    path = tmp_path / "util.py"
    path.write_text(UTIL)
    for asked in (path, content_id(UTIL.encode())):
        assert len(value_of(capsys, "file", index, asked)["found"]) == 1
    done, told, _ = run(capsys, "file", index, "0" * 40)
    assert done == 0 and "not found; searched: corpus 1.0.0" in told


def test_a_file_is_read_from_standard_input(
    capsys: pytest.CaptureFixture[str], index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(UTIL.encode())))
    assert len(value_of(capsys, "file", index, "-")["found"]) == 1


def test_words_are_searched_with_their_lines(capsys: pytest.CaptureFixture[str], index: Path) -> None:
    done, told, _ = run(capsys, "text", index, '"parse http request" -path:tests')
    assert done == 0 and "def parseHTTPRequest" in told
    assert told.splitlines()[-1] == "text: 1 of 1 file; searched: corpus 1.0.0"


def test_a_checkout_is_scanned_to_a_table_json_and_sarif(
    capsys: pytest.CaptureFixture[str], index: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "checkout"
    folder.mkdir()
    (folder / "a.py").write_text(UTIL)
    (folder / "b.py").write_text("pass\n" + UTIL)
    done, told, _ = run(capsys, "scan", index, folder, "--sarif", tmp_path / "log.sarif")
    assert done == 0 and "2 files, 1 in the corpus whole, 1 with copied spans" in told
    assert len(json.loads((tmp_path / "log.sarif").read_text())["runs"][0]["results"]) == 2
    value = value_of(capsys, "scan", index, folder, "--own", "jane", "--own", "john/tool")
    assert value["summary"]["own"] == 2


def test_what_is_removed_is_gone_from_every_verb(capsys: pytest.CaptureFixture[str], index: Path) -> None:
    gone = value_of(capsys, "remove", index, "--owner", "github.com/jane")
    assert gone["places"] > 0
    assert value_of(capsys, "owner", index, "github.com/jane/lib")["released"]["files"] == 0
    assert value_of(capsys, "text", index, "parse")["num_files"] == 0
    assert value_of(capsys, "file", index, content_id(HTTP.encode()))["found"] == []


def test_readers_hide_what_a_suppression_list_names(
    capsys: pytest.CaptureFixture[str], index: Path, tmp_path: Path
) -> None:
    path = listed(tmp_path / "list.jsonl", entry(name="jane"))
    assert value_of(capsys, "owner", index, "github.com/jane/lib", "--suppressions", path)["released"]["files"] == 0
    assert value_of(capsys, "text", index, "parse", "--suppressions", path)["num_files"] == 0
    assert value_of(capsys, "owner", index, "github.com/jane/lib")["released"]["files"] == 3


@pytest.mark.parametrize(
    ("words", "exit_code", "told"),
    [
        (("owner", "{nothing}", "jane"), 1, "is no search index"),
        (("owner", "{index}", "a b c"), 1, "names no owner"),
        (("repository", "{index}", "github.com/jane"), 2, "is an owner"),
        (("file", "{index}", "zz"), 1, "identifies no file"),
        (("file", "{index}", "{here}"), 2, "search scan INDEX"),
        (("text", "{index}", "parse lang:"), 1, "lang: names nothing"),
        (("text", "{index}", "repo: jane"), 1, "follows without a space, repo:NAME"),
        (("owner", "{index}", "jane", "--count", "5"), 2, "--list files"),
        (("snippet", "{index}", "{nothing}", "--key", "a=b"), 1, "No such file"),
        (("file", "{index}", "0" * 40, "--key", "a=b"), 2, "--suppressions LIST"),
        (("remove", "{index}", "--owner", "github.com/jane", "--key", "a=b"), 2, "--suppressions LIST"),
        (("scan", "{index}", "{here}", "--sarif", "{nothing}/log.sarif"), 2, "there is no folder"),
        (("text", "{index}", "++"), 1, "no word to search for"),
        (("text", "{index}", "parse", "--first", "-1"), 2, "--first is at least 0"),
        (("owner", "{index}", "jane", "--list", "files", "--count", "0"), 2, "--count at least 1"),
        (("scan", "{index}", "{nothing}"), 1, "is no folder"),
        (("scan", "{index}", ".", "--max-bytes", "0"), 2, "at least 1"),
        (("snippet", "{index}", "{nothing}"), 1, "No such file"),
        (("remove", "{index}", "--owner", "jane"), 2, "the whole name, --owner host/owner"),
        (("remove", "{index}", "--repository", "github.com/jane"), 2, "or is no repository"),
        (("text", "{index}", "exact:a.b"), 1, "is no identifier but 2"),
        (("remove", "{index}", "--content", "12"), 1, "content id"),
        (("remove", "{index}", "--removals", "{nothing}"), 1, "cannot be read"),
        (("build", "{nothing}", "--index", "{index}2"), 1, "is no release"),
        (("owner", "{index}", "jane", "--build", "{nothing}"), 1, ""),
        (("owner", "{index}", "jane", "--suppressions", "{nothing}"), 1, "cannot be read"),
    ],
)  # fmt: skip
def test_errors_are_one_clear_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, words: tuple[str, ...], exit_code: int, told: str
) -> None:
    named = {"index": published().folder, "nothing": tmp_path / "nothing", "here": tmp_path}
    done, out, error = run(capsys, *(one.format(**named) for one in words))
    assert done == exit_code and out == ""
    assert error.startswith("fairstack: ") and error.count("\n") == 1
    assert told in error
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize(
    ("written", "size"),
    [("0", 0), ("4096", 4096), ("500kB", 500_000), ("2MiB", 2 << 20), ("1 gib", 1 << 30), ("7b", 7)],
)
def test_sizes_are_written_with_or_without_a_unit(written: str, size: int) -> None:
    assert size_of(written) == size


def test_what_is_no_size_is_refused(capsys: pytest.CaptureFixture[str], index: Path) -> None:
    with pytest.raises(SystemExit, match="2"):
        run(capsys, "scan", index, ".", "--max-file-bytes", "2 moons")
    assert "'2 moons' is no size" in capsys.readouterr().err


def test_a_former_name_is_followed_where_a_build_knows_it(capsys: pytest.CaptureFixture[str], index: Path) -> None:
    words = ("repository", index, "github.com/jane-before/lib")
    assert value_of(capsys, *words)["released"]["files"] == 0
    found = value_of(capsys, *words, "--build", build_folder())
    assert found["released"]["files"] == 3
    assert found["aliases"] == [{"alias": "github.com/jane-before/lib", "host": "github.com", "repo_name": "Jane/Lib"}]
    _, told, _ = run(capsys, *words, "--build", build_folder())
    assert "github.com/jane-before/lib is another name of github.com/Jane/Lib" in told
    assert value_of(capsys, *words, "--build", build_folder(), "--list", "files")["total"] == 3


def test_who_asks_for_a_package_as_an_owner_is_told_its_name(capsys: pytest.CaptureFixture[str], index: Path) -> None:
    done, told, _ = run(capsys, "owner", index, "lib")
    assert done == 0 and "repositories of that name: github.com/Jane/Lib; ask with: search repository" in told
    assert value_of(capsys, "owner", index, "lib")["called"] == ["github.com/Jane/Lib"]
    assert run(capsys, "remove", index, "--owner", "github.com/jane")[0] == 0
    assert value_of(capsys, "owner", index, "lib")["called"] == []


def test_a_removal_without_a_name_says_what_it_does(capsys: pytest.CaptureFixture[str], index: Path) -> None:
    done, told, _ = run(capsys, "remove", index)
    assert done == 0 and "nothing was named" in told


def test_what_is_withheld_is_told(capsys: pytest.CaptureFixture[str], index: Path, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(HTTP)
    assert run(capsys, "remove", index, "--owner", "github.com/jane")[0] == 0
    told = run(capsys, "snippet", index, tmp_path / "a.py")[1]
    assert "withheld: 1 place that may hold it too" in told


def test_a_page_names_what_was_searched_and_a_scan_that_is_cut_says_so(
    capsys: pytest.CaptureFixture[str], index: Path, tmp_path: Path
) -> None:
    told = run(capsys, "owner", index, "jane", "--list", "files", "--first", "999")[1]
    assert told.startswith("0 of ") and told.endswith("; searched: corpus 1.0.0\n")
    (tmp_path / "checkout").mkdir()
    for name in ("a.py", "b.py"):
        (tmp_path / "checkout" / name).write_text(f"# {name}\n{UTIL}")
    told = run(capsys, "scan", index, tmp_path / "checkout", "--max-bytes", "9")[1]
    assert "incomplete: the files together are more than --max-bytes" in told


def test_the_hashes_of_a_file_are_erased(capsys: pytest.CaptureFixture[str], index: Path, tmp_path: Path) -> None:
    run(capsys, "remove", index, "--repository", "github.com/jane/lib")
    assert value_of(capsys, "merge", index)["deny_batch"]
    path = tmp_path / "http_client.py"
    path.write_text(HTTP)
    assert value_of(capsys, "deny", index, "--erase-file", path)["erased_hashes"] > 0
    assert value_of(capsys, "deny", index, "--erase-file", path)["erased_hashes"] == 0
    done, _, error = run(capsys, "deny", index, "--erase-file", path, "--erase", "x")
    assert done and "use one of them at a time" in error
    path.write_bytes(b"\0\1\2")
    done, _, error = run(capsys, "deny", index, "--erase-file", path)
    assert done and "has no text whose hashes could be erased" in error


def test_an_empty_argument_is_refused_and_nothing_is_made(
    capsys: pytest.CaptureFixture[str], index: Path, tmp_path: Path
) -> None:
    for words in (
        ["deny", index, "--erase", ""],
        ["scan", index, ""],
        ["scan", index, tmp_path, "--sarif="],
        ["text", index, ""],
    ):
        with pytest.raises(SystemExit):
            run(capsys, *words)
        assert "an argument is empty" in capsys.readouterr().err
    assert not (index / "deny").exists()
    # Keys in base64 end in = themselves.
    assert "is empty" not in run(capsys, "owner", index, "jane", f"--key=local={'A' * 43}=")[2]


def test_an_argument_that_is_no_utf_8_is_refused(capsys: pytest.CaptureFixture[str], index: Path) -> None:
    with pytest.raises(SystemExit):
        run(capsys, "text", index, "caf\udcff")
    assert "no text in UTF-8" in capsys.readouterr().err


def test_a_removal_of_what_is_not_there_says_so(capsys: pytest.CaptureFixture[str], index: Path) -> None:
    done, told, _ = run(capsys, "remove", index, "--owner", "github.com/nobody")
    assert done == 0 and "nothing under these names" in told


def test_ones_own_is_known_by_its_other_names(capsys: pytest.CaptureFixture[str], index: Path, tmp_path: Path) -> None:
    around = tmp_path / "corpus"
    shutil.copytree(build_folder(), around, ignore=shutil.ignore_patterns("index"))
    shutil.copytree(index, around / "index")
    (tmp_path / "checkout").mkdir()
    (tmp_path / "checkout" / "http.py").write_text(HTTP)
    found = {
        name: value_of(capsys, "scan", around / "index", tmp_path / "checkout", "--own", name)["summary"]["own"]
        for name in ("github.com/jane/lib", "github.com/jane-before/lib")
    }
    assert found["github.com/jane/lib"] == found["github.com/jane-before/lib"] == 1
    _, _, error = run(capsys, "scan", around / "index", tmp_path / "checkout", "--own", "github.com/nobody/lib")
    assert "has nothing of github.com/nobody/lib" in error


def test_what_was_removed_is_in_no_count_of_what_was_dropped(capsys: pytest.CaptureFixture[str], index: Path) -> None:
    asked = ("repository", index, "github.com/jane/lib", "--build", build_folder())
    assert value_of(capsys, *asked)["dropped"]["files"] > 0
    value_of(capsys, "remove", index, "--repository", "github.com/jane/lib")
    assert value_of(capsys, *asked)["dropped"]["files"] == 0


def test_a_damaged_index_is_built_anew_and_what_was_removed_stays_out(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = tmp_path / "new"
    value_of(capsys, "build", release(), "--index", folder, "--keywords")
    value_of(capsys, "remove", folder, "--repository", "github.com/john/tool")
    value_of(capsys, "deny", folder)
    (folder / "segments" / "1" / "code.samples").write_bytes(b"")
    done, _, error = run(capsys, "owner", folder, "jane")
    assert done == 1 and "delete index.json and build the index anew" in error
    (folder / "index.json").unlink()
    value_of(capsys, "build", release(), "--index", folder)
    assert value_of(capsys, "verify", folder)["problems"] == []
    assert value_of(capsys, "repository", folder, "github.com/john/tool")["released"]["files"] == 0
    assert value_of(capsys, "text", folder, "parse request")["num_files"] == 1
