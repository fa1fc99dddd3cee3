"""How much work a query may do before its answer says `capped`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """contents: listed for one place of a snippet; num_bytes, bytes_each: bytes of texts that are read, and for each byte of the snippet;
    candidates: places of a view that are looked at, those of the rarest grams; None: all."""

    contents: int
    num_bytes: int
    bytes_each: int = 40
    candidates: int | None = None


QUICK = Limits(32, 64 << 10, candidates=8192)
"""For people who type. Only snippets whose tokens stand at thousands of places meet it: markup, tables, catalogues of messages."""
THOROUGH = Limits(100, 1 << 20)
"""For people who ask."""
