"""The verbs of opt-outs, proofs and reviews, run as a user would: what they print, and how they fail."""

from __future__ import annotations

import csv
import fcntl
import io
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stack_data import signing
from stack_data.optout.lists import read
from tests.corpus import fairstack
from tests.git_server import GitServer, answer, push
from tests.git_server import make as serve
from tests.leaving import code, commit, config, license_of, listed, made, repository, tree

DAY = "2026-11-21"
SECRET, PUBLIC = signing.new_key()


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    repositories = []
    for person in ("alice", "bertram"):
        files = {"LICENSE": license_of(person.title()), f"{person}.py": code(person), "shared.py": code("shared")}
        repositories.append(repository(commit(folder / "git" / person, files), person))
    return made(config(folder, repositories)).folder


@pytest.fixture
def build(first: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(first, tmp_path / "build" / first.name))


def told(*words: str | Path, code: int = 0, **environment: str) -> str:
    """Run a verb; return what it prints on standard output, and on standard error when it fails."""
    done = fairstack("data", *words, **environment)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout if code == 0 else done.stdout + done.stderr


def value(*words: str | Path, code: int = 0, **environment: str) -> Any:
    done = fairstack("data", *words, "--json", **environment)
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout)


def refused(*words: str | Path, code: int = 1, **environment: str) -> str:
    """Run a verb that must fail with one line; return it."""
    done = fairstack("data", *words, **environment)
    assert (done.returncode, done.stdout) == (code, ""), done.stdout + done.stderr
    assert done.stderr.startswith("fairstack: ") and done.stderr.count("\n") == 1
    return done.stderr


# suppressions


def test_a_new_key_signs_and_its_public_half_checks(tmp_path: Path) -> None:
    done: subprocess.CompletedProcess[str] = fairstack("data", "suppressions", "new-key")
    lines = done.stdout.splitlines()
    secret, public = lines[0].removeprefix("secret: "), lines[2].removeprefix("public: ")
    assert done.returncode == 0 and done.stderr == "" and signing.public_key(secret) == public
    assert signing.SECRET in lines[1] and f'NAME = ["{public}"]' in done.stdout
    made = value("suppressions", "new-key")
    assert signing.key_id(made["public"]) == made["key_id"] and made["secret"] != secret
    (tmp_path / "asked").write_text("octocat\n")
    words = [
        "suppressions",
        "import",
        tmp_path / "asked",
        "--output",
        tmp_path / "list",
        "--issuer",
        "registry",
        "--created",
        DAY,
    ]
    done = fairstack("data", *words, FAIRSTACK_SIGNING_KEY=secret)
    assert done.returncode == 0 and secret not in done.stdout + done.stderr + (tmp_path / "list").read_text()
    assert read((tmp_path / "list").read_bytes(), "list", {"registry": [public]}).epoch == 1


def importing(folder: Path, text: str, *words: str | Path, issuer: str = "local") -> list[str | Path]:
    """Return the words of an import of `text`, and of the files among the words."""
    (folder / "asked").write_text(text)
    files = [one for one in words if isinstance(one, Path) and one.name == "records"]
    words = tuple(one for one in words if one not in files)
    return [
        "suppressions", "import", folder / "asked", *files, "--output", folder / "list", "--issuer", issuer, "--created", DAY, *words,
    ]  # fmt: skip


def test_an_import_writes_a_list_and_the_next_one_goes_on_from_it(tmp_path: Path) -> None:
    line = told(*importing(tmp_path, "octocat\nocto-org/hello\n"))
    assert line == f"import: 2 entries in {tmp_path / 'list'}, issuer local, epoch 1: 2 new, 0 known, 0 renewed\n"
    assert "name it with --previous" in refused(*importing(tmp_path, "hubot\n"))
    found = value(*importing(tmp_path, "hubot\nOctocat\n", "--previous", tmp_path / "list", "--spread", "exact"))
    assert found["epoch"] == 2 and (found["new"], found["renewed"], found["entries"]) == (1, 1, 3)
    made = read((tmp_path / "list").read_bytes(), "list", {})
    assert [one.name for one in made.entries] == ["octocat", "octo-org/hello", "hubot"]


def test_several_files_are_one_list_and_a_name_in_two_is_one_entry(tmp_path: Path) -> None:
    (tmp_path / "records").write_text(
        '{"issue": 1, "author": "a", "optout_repos": [], "optout_owners": ["Octocat", "hubot"]}\n'
    )
    found = value(*importing(tmp_path, "octocat\n", tmp_path / "records", "--host", "GitHub.com"))
    assert (found["entries"], found["new"], found["known"]) == (2, 2, 0)


def test_what_is_not_understood_stops_an_import_unless_it_is_set_aside(tmp_path: Path) -> None:
    text = "octocat\nplease remove me\n\u202eevil\x1b[31m\n"
    shown = told(*importing(tmp_path, text), code=1)
    assert f"{tmp_path / 'asked'}: line 2: 'please remove me': several words" in shown
    assert "nothing was written, because 2 lines were not understood" in shown
    assert "\u202e" not in shown and "\x1b" not in shown
    assert not (tmp_path / "list").exists()
    found = value(*importing(tmp_path, text), code=1)
    assert found["output"] is None and [one["line"] for one in found["not_understood"]] == [2, 3]
    shown = told(*importing(tmp_path, text, "--set-aside", tmp_path / "aside"))
    assert "set aside: 2 in" in shown and shown.endswith("1 new, 0 known, 0 renewed\n")
    aside = (tmp_path / "aside").read_text()
    assert aside.isascii()
    assert [json.loads(line)["text"] for line in aside.splitlines()] == text.splitlines()[1:]
    (tmp_path / "list").unlink()
    assert "exists or is the list itself" in refused(*importing(tmp_path, text, "--set-aside", tmp_path / "aside"))
    assert "exists or is the list itself" in refused(*importing(tmp_path, text, "--set-aside", tmp_path / "list"))


def test_every_line_that_was_not_understood_is_in_json(tmp_path: Path) -> None:
    text = "all\n" * 30
    assert "and 10 more" in told(*importing(tmp_path, text), code=1)
    assert len(value(*importing(tmp_path, text), code=1)["not_understood"]) == 30


def test_a_list_of_an_issuer_is_signed(tmp_path: Path) -> None:
    words = importing(tmp_path, "octocat\n", issuer="registry")
    assert "must be signed: set FAIRSTACK_SIGNING_KEY" in refused(*words)
    assert "FAIRSTACK_SIGNING_KEY is no key" in refused(*words, code=2, FAIRSTACK_SIGNING_KEY="x")
    told(*words, FAIRSTACK_SIGNING_KEY=SECRET)
    more = importing(tmp_path, "hubot\n", "--previous", tmp_path / "list", "--key", PUBLIC, issuer="registry")
    assert "epoch 2: 1 new" in told(*more, FAIRSTACK_SIGNING_KEY=signing.new_key()[0])


@pytest.mark.parametrize(
    ("words", "reason", "status"),
    [
        (["--created", "yesterday"], "it must be a date such as", 1),
        (["--host", "pypi"], "packages are entries of kind", 2),
        (["--previous", "absent"], "absent cannot be read", 1),
        (["--set-aside", "/nowhere/absent/file", "--output", "/proc/list"], "cannot write", 1),
    ],
)
def test_an_import_says_in_one_line_what_is_wrong(tmp_path: Path, words: list[str], reason: str, status: int) -> None:
    assert re.search(reason, refused(*importing(tmp_path, "octocat\n"), *words, code=status))
    assert not (tmp_path / "list").exists()


def test_a_check_says_who_how_many_and_by_which_key(tmp_path: Path) -> None:
    told(*importing(tmp_path, "octocat\na-b/c\nhubot\n", issuer="registry"), FAIRSTACK_SIGNING_KEY=SECRET)
    words = ["suppressions", "check", tmp_path / "list"]
    key_id = signing.key_id(PUBLIC)
    lines = told(*words, "--key", PUBLIC).splitlines()
    assert lines[:2] == ["owner: 2", "repository: 1"]
    assert lines[2] == f"check: 3 entries, issuer registry, epoch 1, {DAY}, signed by key {key_id}"
    assert "which was not checked" in told(*words)
    state = value(*words)
    assert state == {
        "issuer": "registry", "epoch": 1, "created": DAY, "key_id": key_id, "signature": "unchecked", "entries": 3,
        "kinds": {"owner": 2, "repository": 1},
    }  # fmt: skip
    assert "is not trusted for this issuer" in refused(*words, "--key", signing.new_key()[1])
    assert "is no key" in refused(*words, "--key", "x", code=2)


def test_a_preview_of_a_list_that_nobody_signed_changes_nothing(first: Path, tmp_path: Path) -> None:
    words = importing(tmp_path, "alice\n", issuer="registry")
    told(*words, FAIRSTACK_SIGNING_KEY=SECRET)
    before = tree(first)
    shown = told("suppressions", "preview", first, tmp_path / "list")
    assert "github.com/alice/lib: alice.py" in shown and "copyright line in someone else's copy" in shown
    assert shown.endswith("\npreview: 1 content would leave; nothing was changed\n")
    found = value("suppressions", "preview", first, tmp_path / "list")
    assert (found["format"], found["vanish"], found["moved"]) == ("fairstack-preview/1", 1, 1)
    assert {tuple(one) for one in found["places"]} == {
        ("content_id", "host", "owner", "repo", "path", "goes", "why", "released")
    }
    assert tree(first) == before
    assert "is no build" in refused("suppressions", "preview", tmp_path, tmp_path / "list")


@pytest.mark.parametrize(
    "words", [["suppressions"], ["suppressions", "import"], ["suppressions", "fly"], ["prove"], ["review"], ["recheck", "a", "b"],
              ["suppressions", "import", "f", "--output", "l", "--issuer", "local", "--created", DAY, "--spread", "far"]],
)  # fmt: skip
def test_a_wrong_command_line_is_a_usage_error(words: list[str]) -> None:
    done = fairstack("data", *words)
    assert done.returncode == 2 and "--help" in done.stderr


def test_every_verb_has_help() -> None:
    for words in (["suppressions"], ["suppressions", "import"], ["suppressions", "check"], ["suppressions", "preview"],
                  ["suppressions", "new-key"], ["prove"], ["review"], ["recheck"]):  # fmt: skip
        done = fairstack("data", *words, "--help")
        assert done.returncode == 0 and done.stdout.startswith(f"usage: fairstack data {' '.join(words)}")


# prove


def test_a_proof_says_present_or_absent_with_the_root(first: Path) -> None:
    release = first / "releases/1.0.0"
    root = json.loads((release / "manifest.json").read_text())["counts"]["merkle"]["names"]["root"]
    lines = told("prove", release, "github.com/alice").splitlines()
    assert lines == [
        "github.com/alice/: present in release 1.0.0",
        f"tree of names: 2 leaves, root {root}",
        "prove: shown by leaves 0, 1, 1 of them the owner's; --json prints the proof itself",
    ]
    assert "github.com/zoe/: absent" in told("prove", release, "github.com/zoe")
    proof = value("prove", release, "https://github.com/bertram/lib")
    assert (proof["format"], proof["claim"], proof["query"]) == (
        "fairstack-proof/1",
        "present",
        "github.com/bertram/lib",
    )
    assert "is no content id" in refused("prove", release, "alice")


# review


def test_a_sheet_is_drawn_filled_and_read(build: Path) -> None:
    drawn = value("review", build, "--sample", "2", "--seed", "7")
    path = Path(drawn["sheet"])
    assert drawn["lines"] == 2 and drawn["unknown"] == [] and Path(drawn["unknown_sheet"]).exists()
    shown = told("review", build, "--sample", "2", "--seed", "7", "--version", "1.0.0")
    assert "no licence text is unknown" in shown and shown.endswith(
        f"2 files to look at in {path}; then: --read {path}\n"
    )
    rows = list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(row | {"verdict": "permissive", "reviewer": "R", "date": DAY} for row in rows)
    assert "2 files, a uniform sample, were read by one person" in told("review", build, "--read", path)
    assert value("review", build, "--read", path)["permissive"] == 2
    assert "has no release 9.9.9" in refused("review", build, "--version", "9.9.9")
    assert "no --sample or --seed" in refused("review", build, "--read", path, "--sample", "2", code=2)


# recheck


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    served = GitServer(tmp_path / "served")
    yield served
    served.close()


def test_a_recheck_finds_what_is_gone_and_reserved_and_the_release_follows(tmp_path: Path, server: GitServer) -> None:
    works, repositories = {}, []
    for person in ("alice", "bertram", "carol"):
        files: dict[str, str | None] = {"LICENSE": license_of(person), f"{person}.py": code(person)}
        works[person] = serve(server.root, person, files)
        repositories.append({"url": f"{server.url}/{person}.git", "host": "github.com", "owner": person, "repo": "lib"})
    build = made(config(tmp_path, repositories, "[limits]\nretry_seconds = 0.0\n")).folder
    shutil.rmtree(server.root / "alice.git")
    push(works["bertram"], {".github/ai-opt-out": "opt-out: true\n"})
    shown = told("recheck", build)
    assert "3 units: 2 ok, 1 gone, 1 with signal files" in shown and f"  gone: {server.url}/alice.git" in shown
    assert shown.splitlines()[-1].startswith(f"recheck: kept in {build / 'recheck.json'}")
    # Decided at once: the answers of the build know it without a release.
    report = told("report", build)
    assert "source_gone" in report and "reserved_in_repository" in report
    states = {one["unit"].split("/")[3].split(".")[0]: one for one in value("recheck", build)["units"]}
    assert [states[one]["state"] for one in ("alice", "bertram", "carol")] == ["gone", "ok", "ok"]
    assert states["bertram"]["signals"] == [".github/ai-opt-out"] and states["bertram"]["changed"]
    told("release", build, "--version", "2.0.0")
    for person, claim in (("alice", "absent"), ("bertram", "absent"), ("carol", "present")):
        assert f": {claim} in release 2.0.0" in told("prove", build / "releases/2.0.0", f"github.com/{person}")


def test_an_outage_is_not_believed_until_a_person_accepts_it(tmp_path: Path, server: GitServer) -> None:
    serve(server.root, "alice", {"LICENSE": license_of("alice"), "alice.py": code("alice")})
    told_of = [{"url": f"{server.url}/alice.git", "host": "github.com", "owner": "alice", "repo": "lib"}]
    build = made(config(tmp_path, told_of, "[limits]\nretry_seconds = 0.0\n")).folder
    shutil.move(server.root / "alice.git", server.root / "moved.git")
    server.rules["/"] = answer(401)
    assert "1 could not be asked" in told("recheck", build) and "source_gone" not in told("report", build)
    assert "1 gone" in told("recheck", build, "--accept-gone") and "source_gone" in told("report", build)


def test_what_is_no_build_cannot_be_asked_about(tmp_path: Path) -> None:
    assert "is no build" in refused("recheck", tmp_path)


def test_an_unfinished_build_asks_no_host(build: Path) -> None:
    (build / "decisions/license/manifest.json").unlink()
    assert "is not finished" in refused("recheck", build)
    assert not (build / "recheck.json").exists()


def test_a_build_that_is_being_made_is_left_alone(build: Path, tmp_path: Path) -> None:
    with (build / ".lock").open("ab") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        assert "is held by another process" in refused("recheck", build)
    assert "nothing was changed" in told("suppressions", "preview", build, listed(tmp_path / "list"))
