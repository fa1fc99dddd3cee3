"""Which changes of one file are worth training on: StarCoder's rules for commits, as functions of one change.

The numbers and stop words are a table (tables/commits.toml). Draws are by a hash of the commit document, one for each
rule, so the same commits stay wherever and whenever a build is made. A change's reach is the number of lines from its
first changed line to its last, on the longer side.

Ours: lines of a message that name people (`Signed-off-by:` and the like) are no part of it. Left out of StarCoder's published
notebook because the paper does not have them: half of the messages under five words are dropped, and small changes are
kept at 10% where the paper says 50%.
"""

from __future__ import annotations

import functools
import hashlib
import re
from dataclasses import dataclass
from os.path import commonprefix

from stack_data.commits import Commit
from stack_data.reasons import Reason
from stack_data.tables import load_table

RULE_VERSION = 1
_VERSION = re.compile(r"v?\d+\.\d+\.\d+\S*")
_CO_AUTHOR = re.compile(r"^[ \t]*co-authored-by[ \t]*:[^<>\n]*<([^<>\n]+)>", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class _Rules:
    whole: frozenset[str]
    part: tuple[str, ...]
    max_chars_per_word: float
    trailer: re.Pattern[str]
    max_chars: int
    small_lines: int
    small_share: float
    long_lines: int
    long_share: float
    data_endings: frozenset[str]
    data_share: float


@functools.cache
def _rules() -> _Rules:
    table = load_table("commits")
    messages, samples = table["messages"], dict(table["samples"])
    names = "|".join(map(re.escape, messages["trailers"]))
    # Bounded, so that a hostile message costs no more than its length.
    trailer = re.compile(rf"^[ \t]*(?:[a-z-]{{0,40}}-by|{names})[ \t]*:[^\n]*(?:\n|\Z)", re.IGNORECASE | re.MULTILINE)
    samples["data_endings"] = frozenset(samples["data_endings"])
    return _Rules(
        frozenset(messages["whole"]), tuple(messages["part"]), messages["max_chars_per_word"], trailer,
        table["sides"]["max_chars"], **samples,
    )  # fmt: skip


def message_of(written: str) -> str:
    """Return what a commit message says of the change: without lines that name people or tools, and white space around."""
    lines = written.replace("\r\n", "\n").replace("\r", "\n")
    return re.sub(r"\n{3,}", "\n\n", _rules().trailer.sub("", lines)).strip()


def co_authors(written: str) -> list[str]:
    """Return the e-mail addresses of the co-authors that a message names."""
    return _CO_AUTHOR.findall(written.replace("\r", "\n"))


def fault_of_message(message: str) -> Reason | None:
    """Return why a message is none to learn from, or None."""
    subject = message.split("\n", 1)[0].strip()
    words = subject.split()
    rules = _rules()
    if not words:
        return Reason.COMMIT_NO_MESSAGE
    if len(message) > rules.max_chars:
        return Reason.COMMIT_TOO_LONG
    lower = subject.lower()
    is_stop = lower in rules.whole or any(part in lower for part in rules.part) or _VERSION.fullmatch(lower)
    return Reason.COMMIT_AUTOMATIC_MESSAGE if is_stop or len(subject) / len(words) > rules.max_chars_per_word else None


def fault_of_change(path: str, commit: Commit, content_id: str) -> tuple[Reason, str] | None:
    """Return why a change is left out and a few words to it, or None. content_id: of its document, which seeds the draws."""
    rules = _rules()
    longest = max(len(commit.before), len(commit.after))
    if longest > rules.max_chars:
        return Reason.COMMIT_TOO_LONG, f"{longest} characters"
    if commit.before == commit.after or not (commit.before.strip() and commit.after.strip()):
        return Reason.COMMIT_NO_TEXT, "no change of text"
    lines = reach(commit.before, commit.after)
    draws = (
        (lines <= rules.small_lines, "small", rules.small_share),
        (lines >= rules.long_lines, "long", rules.long_share),
        (path.rpartition("/")[2].rpartition(".")[2].lower() in rules.data_endings, "data", rules.data_share),
    )
    for applies, name, share in draws:
        if applies and not _is_drawn(name, content_id, share):
            return Reason.COMMIT_NOT_DRAWN, f"{name}: {share:g} of them are kept"
    return None


def reach(before: str, after: str) -> int:
    """Return the number of lines from the first changed to the last, of the side on which there are more."""
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    first = len(commonprefix([old, new]))
    shorter = min(len(old), len(new)) - first
    last = len(commonprefix([old[::-1][:shorter], new[::-1][:shorter]]))
    return max(len(old), len(new)) - first - last


def _is_drawn(rule: str, content_id: str, share: float) -> bool:
    digest = hashlib.sha256(f"commit {rule} {content_id}".encode()).digest()
    return int.from_bytes(digest[:8]) < share * 2**64
