"""One text with candidates in it, as bytes, and what the checks ask of it; and the spans that they answer with."""

from __future__ import annotations

from typing import NamedTuple


class Span(NamedTuple):
    """What is personal or secret: byte offsets into a text's UTF-8."""

    kind: str
    start: int
    end: int


class Source:
    """A text in UTF-8."""

    __slots__ = ("text",)

    def __init__(self, text: bytes) -> None:
        self.text = text

    def line(self, at: int, most: int = 400) -> tuple[int, int]:
        """Return start and end of the line a position is in, at most so many bytes to each side of it."""
        least = max(0, at - most)
        start = max(self.text.rfind(b"\n", least, at), self.text.rfind(b"\r", least, at)) + 1 or least
        ends = [end for end in (self.text.find(b"\n", at, at + most), self.text.find(b"\r", at, at + most)) if end >= 0]
        return start, min(ends, default=min(len(self.text), at + most))

    def before(self, at: int, most: int) -> bytes:
        """Return what stands before a position on its line, at most so many bytes."""
        return self.text[max(self.line(at, most)[0], at - most) : at]

    def after(self, at: int, most: int) -> bytes:
        """Return what stands from a position on on its line, at most so many bytes."""
        return self.text[at : min(self.line(at, most)[1], at + most)]
