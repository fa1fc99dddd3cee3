"""Jupyter notebooks as scripts: the conversion `notebook-1`, a pure function of a content's decoded text.

Code cells stay code; Markdown and heading cells become comments of the kernel's language; one empty line stands between
cells. Lines that only a notebook understands (`%magic`, `!command`, `name?`) become comments, and so do whole cells in
another language (`%%bash`). Outputs, raw cells, attachments and metadata are left out. Formats 2 to 4 are read.

What makes a text a notebook is its own shape, not its file name, so one content has one text wherever it lies. Any
change of what comes out needs a new name of the conversion: texts of old builds must stay what they were.
Not covered: the structured form that keeps outputs (notebook_blocks.py).
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
        cells = cells_of(notebook)
        language = language_of(notebook)
        blocks = [block for cell in cells if (block := _block(cell, language))]
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return None
    return without_surrogates("\n\n".join(blocks) + "\n") if blocks else None


def fault_of(text: str) -> str:
    """Say why a text gives no script, without a word of it: the line at which its JSON breaks off, or what it lacks."""
    try:
        cells = cells_of(json.loads(text))
        kinds = [cell["cell_type"] for cell in cells]
    except json.JSONDecodeError as error:
        return f"line {error.lineno}, column {error.colno}: {error.msg}"
    except RecursionError:
        return "JSON that is nested too deeply"
    except (ValueError, KeyError, TypeError, AttributeError):
        return "JSON, but no notebook of format 2 to 4"
    written = sum(kind in ("code", "markdown", "heading") for kind in kinds)
    return f"{len(kinds)} cells, {written} of code or prose, none of which holds anything"


def without_surrogates(text: str) -> str:
    """Return a text that UTF-8 can hold: lone surrogates, which JSON can hold, are replaced."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def cells_of(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the cells; KeyError or TypeError where the value is no notebook."""
    if not isinstance(notebook["nbformat"], int):
        raise TypeError
    if "cells" in notebook:
        return list(notebook["cells"])
    return [cell for sheet in notebook["worksheets"] for cell in sheet["cells"]]


def language_of(notebook: dict[str, Any]) -> str:
    """Return the kernel's language in lower case, as its own metadata spell it."""
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


def source_of(cell: dict[str, Any]) -> tuple[str, str]:
    """Return a cell's kind and its text with `\\n` as line ends and no empty lines at its ends; headings as Markdown.

    Raises KeyError, TypeError or the like where the value is no cell.
    """
    kind = cell["cell_type"]
    source = cell["input"] if kind == "code" and "input" in cell else cell.get("source")
    source = source or ""
    text = source if isinstance(source, str) else "".join(source)
    if not text.strip():
        return kind, ""
    lines = re.split("\r\n|\n|\r", text.strip("\r\n"))
    if kind != "heading":
        return kind, "\n".join(lines)
    mark = "#" * min(max(int(cell.get("level") or 1), 1), 6) + " "
    return "markdown", "\n".join(mark + line for line in lines)


def _block(cell: dict[str, Any], language: str) -> str:
    """Return a cell as lines of the script; empty for one that has no place there."""
    kind, text = source_of(cell)
    if not text or kind not in ("code", "markdown"):
        return ""
    return as_code(text, language) if kind == "code" else as_comments(text, language)


def as_comments(text: str, language: str) -> str:
    """Return a text as comments of a kernel's language."""
    return "\n".join(_commented(line, language) for line in text.split("\n"))


def as_code(text: str, language: str) -> str:
    """Return a code cell's text, what only a notebook understands as comments."""
    return "\n".join(_code(text.split("\n"), language))


def _code(lines: list[str], language: str) -> Iterator[str]:
    """Yield the lines of a code cell, those that only a notebook understands as comments."""
    if in_another_language(lines[0]):
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


def in_another_language(first_line: str) -> bool:
    """Return whether a code cell that begins so is in another language than its kernel's (`%%bash`)."""
    magic = re.match(r"%%(\w+)", first_line)
    return magic is not None and magic[1] not in _OWN_CELLS


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
