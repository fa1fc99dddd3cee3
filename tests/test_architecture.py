"""Laws of the code base, read from its source: imports, homes of heavy libraries, documentation."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from dev import generate_configuration, generate_reasons
from stack_data.config import BuildConfig
from stack_data.reasons import Reason

ROOT = Path(__file__).parent.parent
PACKAGES = ("stack_data", "model", "optout_service", "ide_plugin_backend")
MAY_IMPORT = {
    "stack_data": set(), "model": {"stack_data"}, "optout_service": {"stack_data"}, "ide_plugin_backend": {"model", "stack_data"},
}  # fmt: skip
# Where a heavy or far-reaching library may be imported, as prefixes of paths.
HOMES = {
    # A checkpoint that somebody has for finding names is run where names are looked for.
    "torch": ("model/", "stack_data/pii/ner.py"), "transformers": ("model/", "stack_data/pii/ner.py"), "fastapi": ("optout_service/", "ide_plugin_backend/"),
    "httpx": ("stack_data/sources/", "stack_data/registry.py"), 
    "datasets": ("stack_data/sources/huggingface.py", "stack_data/decontamination/hub.py", "stack_data/release/"),
    "subprocess": ("stack_data/sources/",), "sqlite3": (), "tantivy": ("stack_data/search/keyword.py",), "sqlalchemy": (), "IPython": (),
}  # fmt: skip
MAX_LINES = 400


def modules() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_module_keeps_the_laws(path: Path) -> None:
    name = path.relative_to(ROOT).as_posix()
    package = name.split("/")[0]
    for imported in {one.split(".")[0] for one in imports(path)}:
        if imported in PACKAGES:
            assert imported == package or imported in MAY_IMPORT[package], f"{name} imports {imported}"
        if imported in HOMES:
            assert name.startswith(HOMES[imported]), f"{imported} has its home elsewhere than in {name}"
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), f"{name} has no module docstring"
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES, f"{name} is too long: split it by noun"
    assert path.stem not in ("utils", "common", "helpers", "manager", "base", "misc")


def test_help_imports_nothing_heavy() -> None:
    code = "import sys, fairstack; fairstack.main(['data', '--help'])"
    wanted = "import sys; heavy = {'pyarrow', 'numpy', 'numba', 'pydantic', 'torch', 'httpx', 'datasets', 'rich'} & set(sys.modules)"
    script = f"try:\n    {code}\nexcept SystemExit:\n    pass\n{wanted}\nassert not heavy, heavy"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_page_of_reasons_is_current() -> None:
    assert (ROOT / "docs" / "reasons.md").read_text(encoding="utf-8") == generate_reasons.page()


def test_the_page_of_settings_is_current_and_says_what_each_is() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert page == generate_configuration.page()
    tables = {field.annotation for field in BuildConfig.model_fields.values() if isinstance(field.default, BaseModel)}
    assert tables <= {model for _, model, _ in generate_configuration.TABLES}
    assert not [line for line in page.splitlines() if line.startswith("| `") and line.endswith("|  |")]


def test_every_reason_has_a_smallest_example() -> None:
    tests = "\n".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py") if path != Path(__file__)
    )
    missing = [one.name for one in Reason if f'"{one.value}"' not in tests and f"Reason.{one.name}" not in tests]
    assert missing == []


def test_every_verb_is_documented() -> None:
    documents = "\n".join(
        path.read_text(encoding="utf-8")
        for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), ROOT / "CHANGELOG.md"]
    )
    for verb in (
        "build", "refresh", "release", "report", "why", "verify", "similar", "license", "language", "pii", "benchmarks", "export",
        "suppressions", "prove", "review",
        "recheck", "update", "purge",
    ):  # fmt: skip
        assert f"data {verb}" in documents or f"|{verb}|" in documents, verb
