"""What is found in single contents, through a whole build: redacted in everything that is shown, benchmarks out, all of it explained."""

from __future__ import annotations

import ast
import gzip
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from stack_data import tables
from stack_data.build import release_of
from stack_data.config_file import load
from stack_data.errors import ConfigError
from stack_data.fold import fold
from stack_data.identity import content_id
from stack_data.layout import Build
from stack_data.pipeline import parts_of
from stack_data.reasons import Reason
from stack_data.records import DECONTAMINATION_DECISIONS
from stack_data.verify import verify
from tests.corpus import fairstack
from tests.leaving import (
    code,
    commit,
    config,
    entry,
    every_text,
    found,
    license_of,
    listed,
    made,
    repository,
    rows,
    tree,
)

TASKS = Path(tables.__file__).parent / "benchmarks" / "humaneval.jsonl.gz"

# Made up, and put together here, so that nobody's scanner takes this file for a leak.
GITHUB = "ghp_" + "x7Qz9LmK2vTb4RfWc8Yp1NsDa6HgUe3JoV5i"
SECRET = "q8Zr2Vt7" + "Lw4XbN1mKc9PdF6hGj3S"
PASSWORD = "hunter" + "Wq83zKp"
EMAIL, HEADER_EMAIL = "planted.person" + "@corp-mail.de", "holder" + "@corp-mail.de"
ADDRESS = "84.17." + "52.193"
PLANTED = (GITHUB, SECRET, PASSWORD, EMAIL, ADDRESS)

SOURCE = f'''# Copyright (c) 2021 A. Holder <{HEADER_EMAIL}>
# Written by somebody <{EMAIL}>
import urllib.request

TOKEN = "{GITHUB}"
api_key = '{SECRET}'
URL = "https://admin:{PASSWORD}@db.corp-mail.de/main"
HOST = "{ADDRESS}"
AGAIN = "{GITHUB}"
LOCAL = "127.0.0.1"


def call():
    return urllib.request.urlopen(URL), TOKEN, AGAIN, api_key, HOST, LOCAL
'''
NOTEBOOK = json.dumps(
    {
        "cells": [
            {"cell_type": "markdown", "source": f"Ask {EMAIL} about it"},
            {"cell_type": "code", "source": f"token = '{GITHUB}'\nprint(token)", "outputs": []},
        ],
        "metadata": {"kernelspec": {"language": "python"}}, "nbformat": 4, "nbformat_minor": 5,
    }
)  # fmt: skip


def humaneval(number: int) -> dict[str, str]:
    with gzip.open(TASKS, "rt", encoding="utf-8") as lines:
        return next(one for one in map(json.loads, lines) if one["task_id"] == f"HumanEval/{number}")


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    task = humaneval(0)
    files = {
        "LICENSE": license_of("A. Holder") + f"\nBuild key of ours: {GITHUB}\n".replace("\n", "\n", 1),
        "call.py": SOURCE, "analysis.ipynb": NOTEBOOK, "plain.py": code("plain"),
        f"token_{GITHUB}.py": code("named"), f"by/{EMAIL}/mine.py": code("mine"),
        "solved.py": '"""Exercises."""\n\n' + task["prompt"] + task["canonical_solution"],
    }  # fmt: skip
    files["LICENSE"] = license_of("A. Holder")
    folder = commit(tmp_path / "git" / "holder", files)
    other = commit(tmp_path / "git" / "other", {"LICENSE": license_of("Other"), "other.py": code("other")})
    return config(tmp_path, [repository(folder, "holder"), repository(other, "other")])


def test_nothing_planted_is_in_any_byte_of_a_release(corpus: Path) -> None:
    folder = made(corpus).folder
    assert {word for _, word in found(folder / "files", *PLANTED)} == set(PLANTED)
    assert found(folder / "releases", *PLANTED) == []
    for name in ("report.html", "report.txt"):
        text = (folder / name).read_text(encoding="utf-8")
        assert not [word for word in PLANTED if word in text]
    # Decisions have offsets, never what is there.
    assert found(folder / "decisions", *PLANTED) == []
    assert verify(folder).problems == []


def test_copyright_lines_keep_their_address(corpus: Path) -> None:
    release = made(corpus).release
    assert release
    text = next(row["content"] for row in rows(release) if row["path"] == "call.py")
    assert text.splitlines()[0] == SOURCE.splitlines()[0]
    assert [where for where, one in every_text(release) if HEADER_EMAIL in one]


@pytest.mark.reason("secret")
def test_a_redacted_file_parses_and_keeps_its_lines(corpus: Path) -> None:
    release = made(corpus).release
    assert release
    by_path = {row["path"]: row for row in rows(release)}
    row = by_path["call.py"]
    ast.parse(row["content"])
    assert row["content"].count("\n") == SOURCE.count("\n")
    tokens = [line.split(" = ")[1] for line in row["content"].splitlines() if line.startswith(("TOKEN", "AGAIN"))]
    assert tokens[0] == tokens[1] and 'LOCAL = "127.0.0.1"' in row["content"]
    assert row["num_redactions"] == 6 and by_path["plain.py"]["num_redactions"] == 0
    assert row["length_bytes"] == len(row["content"].encode()) and row["content_id"] == content_id(SOURCE.encode())
    assert by_path["analysis.ipynb"]["num_redactions"] == 2


def test_the_card_says_what_was_replaced_and_what_was_looked_for(corpus: Path) -> None:
    release = made(corpus).release
    assert release
    card = " ".join((release / "README.md").read_text(encoding="utf-8").split())
    assert "keys in 2 files" in card and "1 file left out" in card
    assert "Nothing was scanned for malware" in card
    assert "not redacted" not in card


@pytest.mark.reason("benchmark_found")
def test_a_file_with_a_benchmark_is_out_and_why_names_the_item(corpus: Path) -> None:
    folder = made(corpus).folder
    joined = fold(Build(folder), load(corpus, []), parts_of(Build(folder)))
    reasons = dict(zip(joined.dropped["content_id"].to_pylist(), joined.dropped["reason"].to_pylist(), strict=True))
    task = humaneval(0)
    solved = content_id(('"""Exercises."""\n\n' + task["prompt"] + task["canonical_solution"]).encode())
    assert reasons[solved] == Reason.BENCHMARK_FOUND.value
    told = fairstack("data", "why", folder, "solved.py")
    assert "dropped: benchmark_found" in told.stdout and "HumanEval/0" in told.stdout
    listed_items = fairstack("data", "benchmarks", folder)
    assert listed_items.returncode == 0 and "HumanEval/0" in listed_items.stdout and solved in listed_items.stdout


@pytest.mark.reason("personal_data")
def test_why_says_what_is_replaced(corpus: Path, tmp_path: Path) -> None:
    commit(tmp_path / "git" / "other", {"mail.py": f"# mail {EMAIL}\nvalue = 1\n"})
    folder = made(corpus).folder
    told = fairstack("data", "why", folder, "mail.py").stdout
    assert "kept" in told and "redacted: 1 email" in told and EMAIL not in told
    told = fairstack("data", "why", folder, "call.py", "--json").stdout
    decision = json.loads(told)["content"]["pii"]
    assert decision["reason"] == "secret" and {one["kind"] for one in decision["spans"]} >= {"key", "email"}


def test_switched_off_nothing_is_replaced_or_looked_for(corpus: Path) -> None:
    release = made(corpus, pii__enabled="false", decontamination__enabled="false").release
    assert release
    by_path = {row["path"]: row for row in rows(release)}
    assert by_path["call.py"]["content"] == SOURCE and "solved.py" in by_path
    card = (release / "README.md").read_text(encoding="utf-8")
    assert "not redacted" in card and "No benchmark was looked for" in card


def test_workers_and_parts_change_no_byte(corpus: Path) -> None:
    one = made(corpus, run__workers="1").release
    many = made(corpus, builds="again", run__workers="3", fetch__part_rows="2").release
    assert one and many
    first, second = tree(one), tree(many)
    for name in ("manifest.json",):
        first.pop(name), second.pop(name)
    assert {name: body for name, body in first.items() if name.startswith("data/")} == {
        name: body for name, body in second.items() if name.startswith("data/")
    }


def test_a_release_without_somebody_is_the_full_one(corpus: Path, tmp_path: Path) -> None:
    folder = made(corpus).folder
    release_of(folder, ["release.version=2.0.0"], suppressions=[listed(tmp_path / "list", entry(name="other"))])
    quick = tree(folder / "releases/2.0.0")
    folder = made(corpus, builds="full").folder
    release_of(
        folder, ["release.version=2.0.0"], suppressions=[listed(tmp_path / "list", entry(name="other"))], full=True
    )
    assert quick == tree(folder / "releases/2.0.0")
    assert found(folder / "releases", *PLANTED) == []


def test_other_placeholders_make_another_release(corpus: Path) -> None:
    release = made(corpus, pii__placeholders='"starcoder"').release
    assert release
    row = next(row for row in rows(release) if row["path"] == "call.py")
    assert "<KEY>" in row["content"] and "<EMAIL>" in row["content"]
    told = made(corpus).unreleased
    assert "placeholders" in told


def test_a_content_that_is_let_in_later_is_looked_at_then(corpus: Path) -> None:
    denied = corpus.parent / "curations.toml"
    denied.write_text(
        '[[curation]]\nrepository = "github.com/holder/lib"\ndeny = true\nperson = "A"\nreason = "to be asked"\ndate = 2026-01-01\n'
    )
    wanted = {"license__curations": '"curations.toml"'}
    folder = made(corpus, **wanted).folder
    assert _spans(folder) == 0
    denied.write_text("")
    made(corpus, **wanted)
    assert _spans(folder) > 5
    release_of(folder, ["release.version=2.0.0"])
    assert found(folder / "releases/2.0.0", "lib/call.py", *PLANTED) == []
    assert "call.py" in {row["path"] for row in rows(folder / "releases/2.0.0")}


def _spans(folder: Path) -> int:
    build = Build(folder)
    tables = [pq.read_table(build.decisions("pii", part)) for _, part in parts_of(build)]
    return sum(len(spans or ()) for table in tables for spans in table["spans"].to_pylist())


def test_missing_files_of_settings_are_one_clear_error(corpus: Path) -> None:
    with pytest.raises(ConfigError, match="no file at .*own.jsonl"):
        made(corpus, decontamination__files='["own.jsonl"]')
    with pytest.raises(ConfigError, match=r"pii\.ner 'nowhere' is no folder of a checkpoint"):
        made(corpus, pii__ner='"nowhere"')


def test_decisions_are_aligned_with_files(corpus: Path) -> None:
    build = Build(made(corpus).folder)
    for _, part in parts_of(build):
        ids = pq.read_table(build.files(part))["content_id"].to_pylist()
        for stage in ("decontamination", "malware", "pii"):
            assert pq.read_table(build.decisions(stage, part))["content_id"].to_pylist() == ids
    assert "found" in DECONTAMINATION_DECISIONS.names
