"""Jupyter notebooks as blocks of text, code and output: the conversion `notebook-blocks-1`, a pure function of a content's text.

The form is that of percent scripts, which editors know: `# %% [notebook] LANGUAGE` first, then for each block a marker line
(`# %% [markdown]`, `# %%` for code, `# %% [output]`), its lines, and an empty line before the next marker. Text and output
are written as `# ` comments whatever the kernel's language, code as it is; a line that looks like a marker has one more
backslash. `blocks_of` gives the blocks back exactly.

Blocks follow StarCoder's structured notebooks: consecutive blocks of a kind are one, with an empty line between them, an output
belongs to the code before it, and more than MAX_OUTPUT_CHARS of it are cut. Outputs are what a person reads as text: streams,
plain text beside no picture, and the name and message of errors; terminal colours and what a carriage return overwrote are
gone. Left out: pictures, HTML, tracebacks (they show paths of the author's machine), raw cells, attachments, metadata.
A cell in another language (`%%bash`) stays a block of its own, so that scripts made from blocks can tell.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

from stack_data import notebooks
from stack_data.errors import InputError

CONVERSION = "notebook-blocks-1"
MAX_OUTPUT_CHARS = 1000
"""Characters of an output that are kept, as in StarCoder's notebooks; more end in CUT."""
CUT = "[...]"

Kind = Literal["text", "code", "output"]
_MARKS: dict[Kind, str] = {"text": "# %% [markdown]", "code": "# %%", "output": "# %% [output]"}
_KINDS = {mark: kind for kind, mark in _MARKS.items()}
_FIRST = "# %% [notebook] "
_LIKE_A_MARK = re.compile(r"^# (\\*%%)", re.MULTILINE)
_ESCAPED = re.compile(r"^# \\(\\*%%)", re.MULTILINE)
_COLOUR = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_MAX_LANGUAGE_CHARS = 60


class Block(NamedTuple):
    """A piece of a notebook: text is Markdown, output belongs to the code before it."""

    kind: Kind
    text: str


class Triplet(NamedTuple):
    """A unit of StarCoder's structured notebooks: what is to be done, how, and what came of it ("" for nothing)."""

    text: str
    code: str
    output: str


def to_blocks_text(text: str) -> str | None:
    """Return the blocks of a notebook as one text; None where the text is none, is damaged, or has nothing in its cells."""
    try:
        notebook = json.loads(text)
        blocks = merged(block for cell in notebooks.cells_of(notebook) for block in _blocks_of_cell(cell))
        language = notebooks.language_of(notebook)
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return None
    if not blocks:
        return None
    return notebooks.without_surrogates(text_of(language, blocks))


def text_of(language: str, blocks: Iterable[Block]) -> str:
    """Return blocks as one text. language: the kernel's; white space in it becomes single blanks."""
    name = " ".join(language.split())[:_MAX_LANGUAGE_CHARS]
    return "\n".join([f"{_FIRST}{name}\n", *(f"{_MARKS[block.kind]}\n{_written(block)}\n" for block in blocks)])


def language_of(text: str) -> str:
    """Return the kernel's language of a structured notebook; InputError where the text is none."""
    first, _, rest = text.partition("\n")
    if not text.startswith(_FIRST) or (rest and not rest.startswith("\n")):
        raise InputError(f"no structured notebook: begins {text[:40]!r}; expected {_FIRST!r} and a language")
    return first.removeprefix(_FIRST)


def blocks_of(text: str) -> list[Block]:
    """Return the blocks of a structured notebook; InputError where the text is none."""
    language_of(text)
    lines = text.split("\n")
    starts = [number for number, line in enumerate(lines) if line in _KINDS]
    blocks = []
    # Behind each block stands an empty line, behind the last one the end of the text.
    for start, end in zip(starts, [*starts, len(lines)][1:], strict=True):
        kind = _KINDS[lines[start]]
        blocks.append(Block(kind, _read(kind, "\n".join(lines[start + 1 : end - 1]))))
    return blocks


def _written(block: Block) -> str:
    text = block.text
    if block.kind != "code":
        text = "\n".join(f"# {line}" if line else "#" for line in text.split("\n"))
    return _LIKE_A_MARK.sub(r"# \\\1", text)


def _read(kind: Kind, body: str) -> str:
    body = _ESCAPED.sub(r"# \1", body)
    return body if kind == "code" else "\n".join(line[2:] for line in body.split("\n"))


def merged(blocks: Iterable[Block]) -> list[Block]:
    """Return blocks with consecutive ones of a kind joined by an empty line, those without text left out."""
    found: list[Block] = []
    for block in blocks:
        if not block.text:
            continue
        if found and found[-1].kind == block.kind and not (_is_apart(found[-1]) or _is_apart(block)):
            found[-1] = Block(block.kind, f"{found[-1].text}\n\n{block.text}")
        else:
            found.append(block)
    return found


def _is_apart(block: Block) -> bool:
    return block.kind == "code" and notebooks.in_another_language(block.text)


def script_of(text: str) -> str:
    """Return the script that `notebook-1` makes of the same notebook.

    Only where Markdown cells followed each other, and were merged, the empty line between them is a comment.
    """
    language, blocks = language_of(text), blocks_of(text)
    writers = {"code": notebooks.as_code, "text": notebooks.as_comments}
    return "\n\n".join(writers[block.kind](block.text, language) for block in blocks if block.kind in writers) + "\n"


def triplets(blocks: Sequence[Block]) -> list[Triplet]:
    """Return a notebook as StarCoder trained on it: from its first text to its last code, each text with the code after it.

    Code without a text before it is left out, and so is text without code after it.
    """
    found: list[Triplet] = []
    text = ""
    for block in blocks:
        if block.kind == "text":
            text = block.text
        elif block.kind == "code" and text:
            found.append(Triplet(text, block.text, ""))
            text = ""
        elif block.kind == "code" and found:
            last = found[-1]
            found[-1] = Triplet(last.text, f"{last.code}\n{block.text}", "")
        elif block.kind == "output" and found:
            found[-1] = found[-1]._replace(output=block.text)
    return found


def _blocks_of_cell(cell: dict[str, Any]) -> Iterator[Block]:
    kind, text = notebooks.source_of(cell)
    if kind == "markdown":
        yield Block("text", text)
    elif kind == "code" and text:
        yield Block("code", text)
        yield Block("output", _shown(cell.get("outputs")))


def _shown(outputs: Any) -> str:
    """Return the outputs of a cell as one text of at most MAX_OUTPUT_CHARS; what is damaged shows nothing."""
    pieces: list[str] = []
    in_stream = False
    for output in outputs if isinstance(outputs, list) else ():
        try:
            piece, is_stream = _joined(_raw(output)), output.get("output_type") == "stream"
        except (TypeError, AttributeError):
            continue
        if is_stream and in_stream:
            # What a program prints comes in pieces, as it was flushed.
            pieces[-1] += piece
        else:
            pieces.append(piece)
        in_stream = is_stream
    text = "\n".join(readable for piece in pieces if (readable := _readable(piece)))
    return text if len(text) <= MAX_OUTPUT_CHARS else text[:MAX_OUTPUT_CHARS] + CUT


def _raw(output: dict[str, Any]) -> Any:
    """Return what an output shows as text; formats 3 and 4."""
    kind = output.get("output_type")
    if kind in ("error", "pyerr"):
        return f"{output.get('ename') or ''}: {output.get('evalue') or ''}".strip(": ")
    if kind == "stream":
        return output.get("text")
    data = output.get("data")
    if data is None:
        return None if {"png", "jpeg", "svg"} & output.keys() else output.get("text")
    # Beside a picture stands only the name of its object.
    return None if any(name.startswith("image/") for name in data) else data.get("text/plain")


def _joined(value: Any) -> str:
    return value if isinstance(value, str) else "".join(value or ())


def _readable(text: str) -> str:
    """Return a text as a terminal shows it: without colours, and without what a carriage return overwrote."""
    lines = _COLOUR.sub("", text).replace("\r\n", "\n").split("\n")
    return "\n".join(_CONTROL.sub("", line.rstrip("\r").rpartition("\r")[2]) for line in lines).strip("\n")
