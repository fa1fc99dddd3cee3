"""How much of a changed file a commit shows: all of it with probability 0.2, else up to 32 lines around the change.

The change is what lies between the first and the last line that differ, one window whatever lies between them; the number of lines
kept on both sides of it is drawn from 0 to 32. Source: StarCoder (arXiv 2305.06161).
"""

from __future__ import annotations

from stack_data.formats.documents import draw

WHOLE = 0.2
MOST_LINES = 32


def shown(before: str, after: str, key: int) -> tuple[str, str]:
    """Return what is shown of a file before and after a change. key: what the draws follow from."""
    if draw(key, 0) < WHOLE:
        return before, after
    return window(before, after, int(draw(key, 1) * (MOST_LINES + 1)))


def window(before: str, after: str, num_lines: int) -> tuple[str, str]:
    """Return the changed lines of both sides with up to `num_lines` common ones before and behind them."""
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    shortest = min(len(old), len(new))
    head = next((row for row in range(shortest) if old[row] != new[row]), shortest)
    tail = next((row for row in range(shortest - head) if old[-1 - row] != new[-1 - row]), shortest - head)
    begin, kept = max(head - num_lines, 0), min(tail, num_lines)
    return "".join(old[begin : len(old) - tail + kept]), "".join(new[begin : len(new) - tail + kept])
