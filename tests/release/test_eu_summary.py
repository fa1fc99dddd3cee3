"""The summary of training content says what the release says, and names nobody."""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from stack_data.build import BuildResult, reopen
from stack_data.release.card import Facts, facts_of
from stack_data.release.eu_summary import Honoured, eu_summary, eu_summary_text
from stack_data.release.shards import assign
from stack_data.release.sources import ReleaseRows, select
from tests.corpus import MIT, make, write_config

NUMBERS = ["1.1", "1.2", "1.3", "2.1", "2.2", "2.2.1", "2.2.2", "2.3", "2.4", "2.5", "2.6", "3.1", "3.2", "3.3"]


def make_repository(folder: Path, text: str) -> None:
    folder.mkdir()
    (folder / "LICENSE").write_text(MIT)
    (folder / "code.py").write_text(text)
    quiet = os.environ | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    who = ["-c", "user.name=Ann Onymous", "-c", "user.email=ann@example.org"]
    for words in (["init", "-q"], ["add", "-A"], [*who, "commit", "-qm", "m"]):
        subprocess.run(["git", *words], cwd=folder, env=quiet, check=True, capture_output=True)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> BuildResult:
    root = tmp_path_factory.mktemp("corpus")
    hosts = ["github.com", *(f"git{number}.example.org" for number in range(10))]
    for number, _ in enumerate(hosts):
        lines = (f"value_{number}_{line} = 'text of {number}, {line}'\n" for line in range(30 - number))
        make_repository(root / f"r{number}", "".join(lines))
    repositories = "".join(
        f'\n[[source.repositories]]\nurl = "r{number}"\nhost = "{host}"\nowner = "secretive"\nrepo = "hidden"\n'
        for number, host in enumerate(hosts)
    )
    config = write_config(root, folders=("permissive", "other"))
    config.write_text(
        config.read_text() + '\ncreator = "The Makers"\ncontact = "https://example.org/leave"\n'
        f'\n[[source]]\nname = "repos"\nkind = "git"\nauthors = false\n{repositories}'
    )
    return make(config)


def inputs(built: BuildResult) -> tuple[Facts, ReleaseRows]:
    """Return what the release step has at hand when it writes its documents."""
    run = reopen(built.folder)
    rows = select(run.build, built.fold, [group.name for group in run.lock.groups])
    assignment = assign(rows.kept, rows.place_content, rows.place_repository, rows.keys(), run.config.release)
    return facts_of(run, built.fold, rows, assignment, {}), rows


@pytest.fixture(scope="module")
def summary(built: BuildResult) -> dict[str, Any]:
    return eu_summary(*inputs(built))


def fields(summary: dict[str, Any], number: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one["fields"] for one in summary["sections"] if one["number"] == number)
    return found


def test_every_heading_of_the_template_is_there_in_order(summary: dict[str, Any]) -> None:
    assert [section["number"] for section in summary["sections"]] == NUMBERS
    text = eu_summary_text(summary)
    places = [text.index(f"# {section['number']} {section['heading']}\n") for section in summary["sections"]]
    assert places == sorted(places)
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## 1 General information", "## 2 List of data sources", "## 3 Data processing aspects",
    ]  # fmt: skip


def test_sizes_are_those_of_the_released_rows_and_the_sources_add_up(
    built: BuildResult, summary: dict[str, Any]
) -> None:
    assert built.release is not None
    rows = [row for path in built.release.glob("data/*/*.parquet") for row in pq.read_table(path).to_pylist()]
    general = fields(summary, "1.3")
    assert (general["files"], general["bytes of text"]) == (len(rows), sum(row["length_bytes"] for row in rows))
    assert sum(one["files"] for one in general["largest languages"]) == len(rows)
    by_kind = Counter(row["source_kind"] for row in rows)
    assert (fields(summary, "2.3")["files"], fields(summary, "2.6")["files"]) == (by_kind["git"], by_kind["directory"])
    for key, total in (("files", len(rows)), ("bytes", general["bytes of text"])):
        assert sum(fields(summary, number)[key] for number in ("2.1", "2.3", "2.6")) == total


def test_the_largest_tenth_of_the_domains_is_named(built: BuildResult, summary: dict[str, Any]) -> None:
    assert built.release is not None
    sizes: Counter[str] = Counter()
    for path in built.release.glob("data/*/*.parquet"):
        for row in pq.read_table(path).to_pylist():
            if row["source_kind"] == "git":
                sizes[row["host"]] += row["length_bytes"]
    online = fields(summary, "2.3")
    assert online["domains"] == len(sizes) == 11
    shown = [(one["name"], one["bytes"]) for one in online["largest 10% of domains"]]
    assert shown == sorted(sizes.items(), key=lambda one: (-one[1], one[0]))[:2]
    assert online["collected"].startswith("20")


def test_no_person_repository_or_path_is_named(built: BuildResult, summary: dict[str, Any]) -> None:
    said = json.dumps(summary) + eu_summary_text(summary)
    for name in ("secretive", "hidden", "Onymous", "Jane", "permissive/", "code.py", str(built.folder.parent.parent)):
        assert name not in said, name


def test_what_was_not_done_is_said(summary: dict[str, Any]) -> None:
    rights, removal, other = (fields(summary, number) for number in ("3.1", "3.2", "3.3"))
    assert rights["opt-out lists"] == "none was in force"
    assert rights["signals in repositories"] == "none was read"
    assert rights["sources last asked whether they still publish"] == "never"
    assert removal["done"] == "nothing beyond licences and opt-outs"
    assert other["licence review"] == "no sample was reviewed by people"
    assert {one["name"] for one in other["left out"]} >= {"binary", "no_license"}


def test_what_was_honoured_is_said(built: BuildResult) -> None:
    facts, rows = inputs(built)
    facts = replace(facts, lists={"somebody": 17, "local": 4})
    honoured = Honoured(("ai-opt-out files",), "2026-11-19", ("Keys are replaced.",), "Of 300 files none was wrong.")
    summary = eu_summary(facts, rows, honoured)
    rights = fields(summary, "3.1")
    assert rights["opt-out lists"] == "2 in force, epochs 4, 17"
    assert rights["where to ask and to opt out"] == "https://example.org/leave"
    assert rights["share of files removed so"].startswith("0 of ")
    text = eu_summary_text(summary)
    assert "somebody" not in text
    for said in ("ai-opt-out files", "2026-11-19", "Keys are replaced.", "Of 300 files none was wrong.", "The Makers"):
        assert said in text


def test_only_the_provider_of_a_model_can_say_what_is_marked(summary: dict[str, Any]) -> None:
    to_fill = {section["number"] for section in summary["sections"] if section["to_fill"]}
    assert to_fill == {"1.1", "1.2", "1.3", "2.2.1", "2.2.2", "2.4", "2.5", "2.6", "3.1", "3.2"}
    assert eu_summary_text(summary).count("The provider of the model states: ") == sum(
        len(section["to_fill"]) for section in summary["sections"]
    )


def test_each_kind_of_source_has_its_section(built: BuildResult) -> None:
    """Places of real rows, with the facts that the other kinds of sources state about theirs."""
    facts, rows = inputs(built)
    kinds = {
        "packages": ({"host": "pypi", "url": ""}, "2.3"), "huggingface": ({"host": "github.com", "url": ""}, "2.1"),
        "software_heritage": ({"host": "github.com", "url": ""}, "2.1"),
        "archive": ({"host": "archive", "url": "https://files.example.net/a.tar.gz"}, "2.3"),
        "environment": ({"host": "pypi", "url": ""}, "2.6"),
    }  # fmt: skip
    for kind, (stated, number) in kinds.items():
        repositories = [one | {"source_kind": kind} | stated for one in rows.repositories]
        summary = eu_summary(facts, replace(rows, repositories=repositories))
        assert fields(summary, number)["files"] == rows.kept.num_rows, kind
        if number == "2.3":
            (domain,) = fields(summary, "2.3")["largest 10% of domains"]
            assert domain["name"] == ("pypi.org" if kind == "packages" else "files.example.net")


def test_nothing_has_a_summary_too(built: BuildResult) -> None:
    facts, rows = inputs(built)
    cut = replace(rows, kept=rows.kept.slice(0, 0))
    assert fields(eu_summary(facts, cut), "2.3")["domains"] == 0
