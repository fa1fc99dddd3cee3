"""Jupyter notebooks as scripts: the conversion `notebook-1`, a pure function of a content's decoded text.

Code cells stay code; Markdown and heading cells become comments of the kernel's language; one empty line stands between
cells. Lines that only a notebook understands (`%magic`, `!command`, `name?`) become comments, and so do whole cells in
another language (`%%bash`). Outputs, raw cells, attachments and metadata are left out. Formats 2 to 4 are read.

What makes a text a notebook is its own shape, not its file name, so one content has one text wherever it lies. Any
change of what comes out needs a new name of the conversion: texts of old builds must stay what they were.
Not covered: the structured form that keeps outputs.
"""

from __future__ import annotations

import codecs
import functools
import json
import re
from collections.abc import Iterator
from typing import Any

from stack_data.tables import load_table

CONVERSION = "notebook-1"
_PYTHON = {"python", "python2", "python3", "ipython", "sage", "sagemath"}
"""Languages whose kernels have magics and commands between lines of code."""
_OWN_CELLS = {"time", "timeit", "capture", "prun", "python", "python3", "pypy", "px"}
"""Cell magics whose cell stays in the kernel's language."""
_MAGIC = re.compile(r"\s*(?:%%?[a-zA-Z_]|!|\?|[\w.]+\?{1,2}\s*$)")
_STRINGS = re.compile(r"""(\"{3}|'{3})|#.*|'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*\"""")


def may_be_notebook(content: bytes) -> bool:
    """Tell quickly whether a content may be a notebook."""
    return content.removeprefix(codecs.BOM_UTF8).lstrip()[:1] == b"{" and b'"nbformat"' in content


def to_script(text: str) -> str | None:
    """Return the script of a notebook; None where the text is none, is damaged, or has nothing in its cells."""
    try:
        notebook = json.loads(text)
        cells = _cells(notebook)
        language = _language(notebook)
        blocks = [block for cell in cells if (block := _block(cell, language))]
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return None
    if not blocks:
        return None
    # Lone surrogates can be written in JSON, but not in UTF-8.
    return ("\n\n".join(blocks) + "\n").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _cells(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the cells; KeyError or TypeError where the value is no notebook."""
    if not isinstance(notebook["nbformat"], int):
        raise TypeError
    if "cells" in notebook:
        return list(notebook["cells"])
    return [cell for sheet in notebook["worksheets"] for cell in sheet["cells"]]


def _language(notebook: dict[str, Any]) -> str:
    metadata = notebook.get("metadata") or {}
    info, kernel = metadata.get("language_info") or {}, metadata.get("kernelspec") or {}
    return str(info.get("name") or kernel.get("language") or metadata.get("language") or "python").lower()


@functools.cache
def _comments() -> dict[str, tuple[str, str]]:
    table = load_table("notebooks")
    found = {language: (mark + " ", "") for mark, languages in table["comments"].items() for language in languages}
    return found | {language: (begin, end) for language, (begin, end) in table["blocks"].items()}


def _commented(line: str, language: str) -> str:
    before, behind = _comments().get(language, ("# ", ""))
    return f"{before}{line}{behind}".rstrip()


def _block(cell: dict[str, Any], language: str) -> str:
    """Return a cell as lines of the script, without empty lines at its ends; empty for one that has no place there."""
    kind = cell["cell_type"]
    source = cell["input"] if kind == "code" and "input" in cell else cell.get("source")
    source = source or ""
    text = source if isinstance(source, str) else "".join(source)
    if not text.strip():
        return ""
    lines = re.split("\r\n|\n|\r", text.strip("\r\n"))
    if kind == "code":
        return "\n".join(_code(lines, language))
    if kind == "heading":
        lines = ["#" * min(max(int(cell.get("level") or 1), 1), 6) + " " + line for line in lines]
    return "\n".join(_commented(line, language) for line in lines) if kind in ("markdown", "heading") else ""


def _code(lines: list[str], language: str) -> Iterator[str]:
    """Yield the lines of a code cell, those that only a notebook understands as comments."""
    magic = re.match(r"%%(\w+)", lines[0])
    if magic and magic[1] not in _OWN_CELLS:
        yield from (_commented(line, language) for line in lines)
        return
    quote, in_command = "", False
    for line in lines:
        in_command = language in _PYTHON and not quote and (in_command or bool(_MAGIC.match(line)))
        yield _commented(line, language) if in_command else line
        if in_command:
            in_command = line.rstrip().endswith("\\")  # a command goes on behind a backslash
        else:
            quote = _open_quote(line, quote)


def _open_quote(line: str, quote: str) -> str:
    """Return the three quotes of a string that is open after a line, given the one that was before it."""
    at = 0
    while True:
        if quote:
            end = line.find(quote, at)
            if end < 0:
                return quote
            quote, at = "", end + 3
        found = _STRINGS.search(line, at)
        if not found:
            return ""
        quote, at = found[1] or "", found.end()
