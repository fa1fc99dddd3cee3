"""`fairstack model`: the command line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import fairstack

VERBS = ("tokenizer", "shards", "verify", "drop", "train", "exposure")


def test_help_names_the_verbs_and_imports_nothing_heavy() -> None:
    code = "import sys, fairstack; fairstack.main(['model', '--help'])"
    heavy = "{'pyarrow', 'numpy', 'numba', 'pydantic', 'torch', 'transformers', 'rich'}"
    script = f"try:\n    {code}\nexcept SystemExit:\n    pass\nimport sys\nassert not {heavy} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(verb in done.stdout for verb in VERBS)


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["train", "none.toml"], 2, "no configuration at none.toml"),
        (["exposure", "."], 2, "name what was removed"),
        (["exposure", ".", "--content", "xyz"], 2, "'xyz' is no content id"),
        (["exposure", ".", "--content", "a" * 40], 1, "has no lineage.json"),
        (["verify", "."], 1, "holds no token shards"),
        (["drop", "none/shards", "--suppressions", "x"], 1, "none/shards"),
        (["drop", "."], 2, "name what to follow"),
    ],
)
def test_errors_are_one_line(
    words: list[str],
    code: int,
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert fairstack.main(["model", *words]) == code
    assert told in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_every_verb_is_documented() -> None:
    root = Path(__file__).parents[2]
    documents = "\n".join(
        path.read_text(encoding="utf-8") for path in [root / "README.md", *(root / "docs").glob("*.md")]
    )
    assert all(f"model {verb}" in documents for verb in VERBS)
