"""The pii stage: decisions about contents; and single files."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pyarrow as pa
import pytest

from stack_data.cli import main
from stack_data.config import PiiConfig
from stack_data.errors import InputError
from stack_data.pii.paths import findings_of_paths
from stack_data.reasons import Reason
from stack_data.records import PII_DECISIONS
from stack_data.stages.pii import decide, rules_version
from tests.pii.planted import column


def decided(texts: list[str | None], config: PiiConfig | None = None) -> pa.Table:
    return decide(
        pa.array([str(row) for row in range(len(texts))]), pa.array(texts, pa.large_string()), config or PiiConfig()
    )


def test_reasons() -> None:
    table = decided(["x = 1", "okke@tapir.io", 'okke@tapir.io password = "Granite!2931"', None])
    assert table.schema == PII_DECISIONS
    assert table["action"].to_pylist() == ["keep", "redact", "redact", "keep"]
    assert table["reason"].to_pylist() == [None, Reason.PERSONAL_DATA.value, Reason.SECRET.value, None]
    assert table["detail"].to_pylist() == [None, "1 email", "1 email, 1 password", None]
    assert table["spans"].to_pylist()[:2] == [[], [{"kind": "email", "start": 0, "end": 13}]]


def test_switched_off_everything_is_kept() -> None:
    assert decided(["okke@tapir.io"], PiiConfig(enabled=False))["action"].to_pylist() == ["keep"]


def test_no_rows() -> None:
    assert decided([]).num_rows == 0


def test_kinds_are_those_of_the_configuration() -> None:
    table = decided(["okke@tapir.io 85.214.77.12"], PiiConfig(kinds=("email",)))
    assert table["detail"].to_pylist() == ["1 email"]


def test_the_rules_have_a_version_that_knows_the_tables() -> None:
    assert rules_version() == rules_version() > 0


def test_files_and_folders(tmp_path: Path) -> None:
    (tmp_path / "src" / ".git").mkdir(parents=True)
    (tmp_path / "src" / "a.py").write_bytes("# ü\r\n\r# okke@tapir.io\nx = 'wim@tapir.io'\n".encode())
    (tmp_path / "src" / "empty.py").write_text("")
    (tmp_path / "src" / "logo.png").write_bytes(b"\0\1")
    (tmp_path / "src" / "link.py").symlink_to("a.py")
    (tmp_path / "src" / ".git" / "config").write_text("okke@tapir.io")
    (tmp_path / "b.txt").write_text("tel: +49 30 90182045\n")
    given = [f"{tmp_path}/src/", str(tmp_path / "b.txt")]
    found = list(findings_of_paths(given, PiiConfig()))
    assert found == [
        {
            "path": f"{tmp_path}/src/a.py",
            "findings": [
                {"kind": "email", "start": 9, "end": 22, "line": 3},
                {"kind": "email", "start": 28, "end": 40, "line": 4},
            ],
        },
        {"path": f"{tmp_path}/src/empty.py", "findings": []},
        {"path": f"{tmp_path}/src/link.py", "findings": None, "unread": "symlink"},
        {"path": f"{tmp_path}/src/logo.png", "findings": None, "unread": "binary"},
        {"path": given[1], "findings": []},
    ]
    phones = list(findings_of_paths(given[1:], PiiConfig(kinds=("phone",))))
    assert phones[0]["findings"] == [{"kind": "phone", "start": 5, "end": 20, "line": 1}]
    with pytest.raises(InputError, match="No such file"):
        list(findings_of_paths([str(tmp_path / "none")], PiiConfig()))


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    given = [str(tmp_path / "pipe"), "/dev/zero", f"{tmp_path}"]
    found = list(findings_of_paths(given, PiiConfig()))
    assert [one["unread"] for one in found] == ["special_file"] * 3
    assert [one["findings"] for one in found] == [None] * 3


def test_files_that_are_too_large_or_in_no_encoding_say_so(tmp_path: Path) -> None:
    with (tmp_path / "large.txt").open("wb") as file:
        file.truncate(11 << 20)
    (tmp_path / "odd.txt").write_bytes(b"\xff\xfe\x00\xd8")
    found = list(findings_of_paths([str(tmp_path)], PiiConfig()))
    assert [one["unread"] for one in found] == ["too_large", "undecodable"]


def test_offsets_are_of_the_decoded_text(tmp_path: Path) -> None:
    (tmp_path / "wide.txt").write_bytes("ü okke@tapir.io".encode("utf-16"))
    found = list(findings_of_paths([str(tmp_path / "wide.txt")], PiiConfig()))
    assert found[0]["findings"] == [{"kind": "email", "start": 3, "end": 16, "line": 1}]


def test_the_outputs_of_a_notebook_are_looked_through(tmp_path: Path) -> None:
    output = {"output_type": "stream", "name": "stdout", "text": ["okke@tapir.io\n"]}
    cell = {"cell_type": "code", "execution_count": 1, "metadata": {}, "source": ["run()"], "outputs": [output]}
    notebook = {"cells": [cell], "metadata": {"kernelspec": {"language": "python"}}, "nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "a.ipynb").write_text(json.dumps(notebook))
    found = list(findings_of_paths([str(tmp_path / "a.ipynb")], PiiConfig()))
    assert found[0]["conversion"] == "notebook-blocks-1"
    assert [(one["kind"], one["line"]) for one in found[0]["findings"]] == [("email", 7)]


def test_the_verb_prints_a_json_object_for_each_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.py").write_text("okke@tapir.io")
    for given in ([], ["--json"]):
        assert main(["pii", str(tmp_path), *given]) == 0
        printed = capsys.readouterr().out.splitlines()
        assert [json.loads(line)["findings"][0]["line"] for line in printed] == [1]


def test_the_same_decisions_for_any_batches() -> None:
    texts = ["okke@tapir.io", "x", "ping 85.214.77.12"] * 3
    whole = decided(list(texts))["spans"].to_pylist()
    assert whole == [decided([text])["spans"].to_pylist()[0] for text in texts]
    assert column(texts).null_count == 0
