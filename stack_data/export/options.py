"""What an export is to be: its format, its rows, and everything else that determines its bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

from stack_data.commits import Commit
from stack_data.errors import ConfigError
from stack_data.formats import plain, starcoder, starcoder2
from stack_data.formats.documents import Documents, Files
from stack_data.notebook_blocks import Block


class Format(Protocol):
    """What a module of stack_data/formats/ offers. ROWS: rows it has a meaning for, the usual first."""

    RULE_VERSION: int
    TOKENS: tuple[str, ...]
    ROWS: tuple[str, ...]

    def render(self, files: Files) -> Documents:
        """Return documents."""

    def notebook(self, blocks: Sequence[Block]) -> str | None:
        """Return a notebook as a whole document, None when that is nothing here."""

    def script(self, text: str) -> str | None:
        """Return a notebook's script as a whole document, None when it is a file like any other."""

    def commit(self, changed: Commit, key: int) -> str | None:
        """Return a commit as a whole document, None when there are no tokens for it."""


FORMATS: dict[str, Format] = {"starcoder": starcoder, "starcoder2": starcoder2, "plain": plain}


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """What determines an export, besides its release. Empty strings stand for what is usual in the format.

    format       starcoder, starcoder2 or plain
    rows         files or repositories
    order        of the files in a repository: path or dependency
    notebooks    structured or script
    seed         another number draws other metadata and another order of documents
    max_bytes    most bytes of text in a row; a larger repository has several rows, a larger file one of its own
    shard_bytes  about how many bytes of text an output file holds
    """

    format: str
    rows: str = ""
    order: str = ""
    notebooks: str = ""
    seed: int = 0
    max_bytes: int = 10_000_000
    shard_bytes: int = 128_000_000

    def resolved(self) -> Options:
        """Return the options with everything spelled out; ConfigError for what does not go together."""
        form = FORMATS.get(self.format)
        if form is None:
            raise ConfigError(f"--as {self.format!r} is no format; it is one of {', '.join(FORMATS)}")
        rows = self.rows or form.ROWS[0]
        if rows not in form.ROWS:
            raise ConfigError(f"--as {self.format} has no rows of {rows}, only of {', '.join(form.ROWS)}")
        if self.order and rows == "files":
            raise ConfigError("--order is that of files in a repository: add --rows repositories")
        notebooks = self.notebooks or ("structured" if form.TOKENS else "script")
        if notebooks == "structured" and not form.TOKENS:
            raise ConfigError(
                f"--as {self.format} has no tokens to put between the blocks of a notebook; use --notebooks script"
            )
        if self.max_bytes < 1 or self.shard_bytes < 1 or not 0 <= self.seed < 2**63:
            raise ConfigError("--max-bytes must be 1 or more, --seed 0 or more")
        return replace(
            self, rows=rows, order=self.order or ("path" if rows == "repositories" else ""), notebooks=notebooks
        )

    def to_json(self) -> dict[str, Any]:
        """Return the options as plain JSON values."""
        return asdict(self)
