"""The verb `export`, as the command line runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stack_data.cli_export import add_verbs
from stack_data.errors import StaleBuildError
from stack_data.terminal import Parser
from tests.corpus import make, write_config


def run(*words: str) -> int:
    parser = Parser(prog="fairstack data")
    add_verbs(parser.add_subparsers(dest="verb", required=True, parser_class=Parser))
    arguments = parser.parse_args(["export", *words])
    return int(arguments.run(arguments))


def test_a_release_is_exported_and_one_line_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    release = make(write_config(tmp_path, folders=("permissive", "other"))).release
    out = str(tmp_path / "out")
    assert run(str(release), out, "--as", "starcoder2", "--order", "dependency", "--max-bytes", "1000") == 0
    assert capsys.readouterr().out.endswith(f"export: 3 documents of 8 files in {out}\n")
    assert run(str(release), out, "--as", "starcoder2", "--order", "dependency", "--max-bytes", "1000", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["made"] is False and told["kinds"] == {"file": 7, "notebook": 1} and told["left_out"] == {}
    with pytest.raises(StaleBuildError, match="would come out otherwise now"):
        run(str(release), out, "--as", "plain")
    assert run(str(release), out, "--as", "plain", "--anew") == 0


def test_a_format_must_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        run("release", "folder")
    assert stopped.value.code == 2 and "--as" in capsys.readouterr().err
