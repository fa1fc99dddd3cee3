"""One text with candidates in it, as bytes, and what the checks ask of it; and the spans that they answer with."""

from __future__ import annotations

from typing import Any, NamedTuple


class Span(NamedTuple):
    """What is personal or secret: byte offsets into a text's UTF-8."""

    kind: str
    start: int
    end: int


class Source:
    """A text in UTF-8. known: what slow checks have said of its stretches, so that each is looked at once."""

    __slots__ = ("known", "text")

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.known: dict[tuple[str, int], Any] = {}

    def line(self, at: int, most: int = 400) -> tuple[int, int]:
        """Return start and end of the line a position is in, at most so many bytes to each side of it."""
        least = max(0, at - most)
        start = max(self.text.rfind(b"\n", least, at), self.text.rfind(b"\r", least, at)) + 1 or least
        ends = [end for end in (self.text.find(b"\n", at, at + most), self.text.find(b"\r", at, at + most)) if end >= 0]
        return start, min(ends, default=min(len(self.text), at + most))

    def stretch(self, at: int, size: int) -> tuple[int, int]:
        """Return start and end of a position's line; of a long one three blocks, the same for all positions of the middle one.

        So there are as many of them as a text has lines and blocks, however many positions are asked about.
        """
        first, last = self.line(at, 3 * size)
        middle = at // size * size
        return max(first, middle - size), min(last, middle + 2 * size)

    def before(self, at: int, most: int) -> bytes:
        """Return what stands before a position on its line, at most so many bytes."""
        least = max(0, at - most)
        return self.text[max(self.text.rfind(b"\n", least, at) + 1, self.text.rfind(b"\r", least, at) + 1, least) : at]

    def after(self, at: int, most: int) -> bytes:
        """Return what stands from a position on on its line, at most so many bytes."""
        rest = self.text[at : at + most]
        ends = [end for end in (rest.find(b"\n"), rest.find(b"\r")) if end >= 0]
        return rest[: min(ends)] if ends else rest
