"""Licence notices in running text: which licences a header comment or a README section puts a file under.

Reads the table `license_notices`. A name counts when words that grant stand before it within reach; two granted
names are joined by OR where the text offers a choice, else by AND. Words that narrow a grant make the notice
unknown. A grant that names nothing known is unknown too, unless it points at a licence file, which the tree
decides. What is given up: meaning beyond these words; the order of doubt is unknown before permissive.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from stack_data.licenses import expressions
from stack_data.licenses.names import expression_of
from stack_data.tables import load_table

RULE_VERSION = 3

_LEADER = re.compile(
    r"^[ \t]*(?:/\*+!?|\*+/|\*+(?!\w)|//+!?|#+!?|--+|;+|%+|<!--|-->|\.\.|!|\"\"\"|'''|\(\*|\{-|dnl\b|rem\b|@rem\b|C(?= )|\"(?= ))?[ \t]*",
    re.MULTILINE | re.IGNORECASE,
)
_CLOSER = re.compile(r"(?:\*+/|-->|\*\)|-\}|\"\"\"|''')")
_SPACE = re.compile(r"\s+")
_PLAIN = str.maketrans({"“": '"', "”": '"', "‘": "'", "’": "'", "–": "-", "—": "-", "\u00a0": " "})

# Words without which nothing can be a GNU licence; looked for first, because they are cheap to find.
_GNU_WORDS = ("gpl", "general public", "public licen")
_GNU = re.compile(
    r"(?:gnu )?(?P<kind>lesser |library |library or lesser |lesser \(library\) |affero )?(?:gnu )?general public licen[cs]e(?: \(?[al]?gpl\)?)?|"
    r"\bgnu (?P<short>[al]?gpl|public licen[cs]e)\b|\b(?P<abbreviation>[al]?gpl)(?:[- ]?(?=v?\.?\d)|\b)"
)
_GNU_VERSION = re.compile(
    r"^(?:[ ,;(\"'-]|licen[cs]e|as published by the free software foundation|either|only|the|version|ver\.?|v\.?)*?"
    r"(?P<number>[123](?:\.[01])?)(?P<plus>\+)?(?![\d.]*\d)"
)
_GNU_BEFORE = re.compile(
    r"(?:version|v\.?) ?(?P<number>[123](?:\.[01])?)(?P<later>(?: \(?or (?:\(at your option\) )?(?:any )?later\)?)|\+)?,? (?:of|or later of) (?:the )?$"
)
_LATER = re.compile(
    r"(?:any|or|and) (?:\(?at your option\)? )?(?:any )?(?:later|newer|greater|higher|above)|or \(at your option\) any later|\(or any later|later version"
)
_CHOICE = re.compile(r"\bor\b|alternatively|at your (?:option|choice)|either")
_DUAL = re.compile(
    r"\bdual[- ]?licen[cs]|\beither\b|\bmulti[- ]?licen[cs]|your choice of|choose (?:between|one)|one of the following"
)
_LICENSE_WORD = re.compile(r"licen[cs]e")
_STRONG_GRANT = re.compile(
    r"licen[cs]ed under|released under|distributed under|under the terms of|available under|governed by|licen[cs]e ?:|subject to the terms"
)
_NOT = re.compile(
    r"(?:\bnot\b|n't|\bno longer\b|\bcompatible with|\bincompatible\b|\bthan the\b|\bunlike\b)[^.]{0,40}$"
)


# Without one of these there is no restriction; looked for first, because they are cheap to find.
_RESTRICTS = re.compile(
    r"commercial|only|personal|private|academic|research|educational|evaluation|prohibited|forbidden|not|eula|end.user|"
    r"business source|server side|commons clause"
)
# Stretches of long comments further than this from any of these words say nothing about licences.
_NEAR = 500
_WORDS = re.compile(
    r"licen[cs]|gpl\b|\bgpl|copyright|public domain|proprietary|confidential|prohibited|commercial|redistribut|trade secret|unpublished|"
    r"(?:academic|research|educational|personal|private) (?:use|purpose)|\beula\b"
)


@dataclass(frozen=True, slots=True)
class Notice:
    """What a text says: `expression` (None: something unknown), and a few words on why it is unknown."""

    expression: str | None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class _Mention:
    start: int
    end: int
    expression: str
    granted: bool


def fold(text: str) -> str:
    """Return text as the notice patterns expect it."""
    plain = _LEADER.sub(" ", text.translate(_PLAIN))
    return _SPACE.sub(" ", _CLOSER.sub(" ", plain)).strip().casefold()


def notice_in(text: str) -> Notice | None:
    """Return what a header comment or section says about its licence, or None when it says nothing."""
    folded = _relevant(fold(text))
    for sentence in _patterns("harmless").finditer(folded):
        folded = folded.replace(sentence[0], " ")
    mentions = _mentions(folded)
    granted = [mention for mention in mentions if mention.granted]
    rider = restriction_in(folded) or _patterns("riders").search(folded)
    if rider and (granted or restriction_in(folded) or _is_statement(folded, rider)):
        if any(_is_copyleft(mention.expression) for mention in granted):
            return Notice(_joined(folded, granted), f"narrowed by {rider[0][:40]!r}")
        return Notice("LicenseRef-proprietary" if not granted else None, f"says {rider[0][:40]!r}")
    if granted:
        return Notice(_joined(folded, granted))
    return _unnamed(folded)


def restriction_in(folded: str) -> re.Match[str] | None:
    """Return the statement of a folded text that narrows its use, whatever else it says."""
    return _patterns("restrictions").search(folded) if _RESTRICTS.search(folded) else None


def _relevant(folded: str) -> str:
    """Return the stretches of a long text that lie near words licences are made of."""
    if len(folded) <= 2 * _NEAR:
        return folded
    kept: list[list[int]] = []
    for word in _WORDS.finditer(folded):
        start, end = max(0, word.start() - _NEAR), word.end() + _NEAR
        if kept and start <= kept[-1][1]:
            kept[-1][1] = end
        else:
            kept.append([start, end])
    return " ... ".join(folded[start:end] for start, end in kept)


def _is_statement(folded: str, rider: re.Match[str]) -> bool:
    # "Confidential" in prose about something else is no licence; beside a copyright line it is.
    around = folded[max(0, rider.start() - 600) : rider.end() + 600]
    return bool(re.search(r"copyright|\(c\)|©|all rights reserved|licen[cs]or", around))


def _is_copyleft(expression: str) -> bool:
    return any(re.match(r"[AL]?GPL|MPL|EPL|CDDL|CPL|EUPL|OSL|SSPL|BUSL", one) for one in expressions.ids(expression))


@functools.cache
def _table() -> dict[str, object]:
    return dict(load_table("license_notices"))


@functools.cache
def _patterns(key: str) -> re.Pattern[str]:
    patterns = _table()[key]
    assert isinstance(patterns, list)
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns))


@functools.cache
def _name_pattern() -> tuple[re.Pattern[str], tuple[str, ...]]:
    names = _table()["names"]
    assert isinstance(names, list)
    joined = "|".join(f"(?P<n{index}>{entry['pattern']})" for index, entry in enumerate(names))
    starts = _table()["starts"]
    assert isinstance(starts, list)
    return re.compile(f"(?<![a-z0-9])(?={'|'.join(starts)})(?:{joined})"), tuple(
        str(entry["expression"]) for entry in names
    )


def _mentions(folded: str) -> list[_Mention]:
    gnu = _GNU.finditer(folded) if any(word in folded for word in _GNU_WORDS) else ()
    found = [(match.start(), match.end(), _gnu_expression(folded, match)) for match in gnu]
    taken = [(start, end) for start, end, _ in found]
    pattern, listed = _name_pattern()
    for match in pattern.finditer(folded):
        if not any(start < match.end() and match.start() < end for start, end in taken):
            found.append((match.start(), match.end(), listed[int(str(match.lastgroup)[1:])]))
    found.sort()
    mentions: list[_Mention] = []
    for start, end, expression in found:
        # A list of names ("under MIT, BSD and GPL") is granted by the words before its first.
        linked = bool(mentions) and mentions[-1].granted and start - mentions[-1].end <= 40
        granted = linked or _states_itself(folded, start, end) or _is_granted(folded, start)
        if granted and _is_copyleft(expression):
            granted = _unrelated().match(folded, end) is None
        mentions.append(_Mention(start, end, expression, granted))
    return mentions


_LICENSED = re.compile(r"[ -]?(?:v\.?|version )?\d?(?:\.\d)?\+? ?licen[cs]ed\b")
_IS = re.compile(r"\b(?:is|are|it's)(?: under| a| an)?(?: the)? $")


def _states_itself(folded: str, start: int, end: int) -> bool:
    """ "MIT licensed", "GPL v2 licensed" and "which is GPL" grant by themselves."""
    before = folded[max(0, start - 60) : start]
    if _NOT.search(before):
        return False
    if folded[start:end].endswith("licensed") or _LICENSED.match(folded, end):
        return True
    return _IS.search(before) is not None


@functools.cache
def _unrelated() -> re.Pattern[str]:
    return re.compile(str(_table()["unrelated"]))


def _is_granted(folded: str, start: int) -> bool:
    reach = _table()["reach"]
    assert isinstance(reach, int)
    before = folded[max(0, start - reach) : start]
    grants = list(_patterns("grants").finditer(before))
    if not grants or _NOT.search(before):
        return False
    # A sentence end between the grant and the name breaks the link, except after an abbreviation or a number.
    between = before[grants[-1].end() :]
    return re.search(r"[a-z)]{3,}\. [a-z]", between) is None


def _gnu_expression(folded: str, match: re.Match[str]) -> str:
    kind = match["kind"] or match["short"] or match["abbreviation"] or ""
    prefix = "AGPL" if kind.startswith(("affero", "agpl")) else "LGPL" if kind.startswith(("l",)) else "GPL"
    after = folded[match.end() : match.end() + 160]
    before = folded[max(0, match.start() - 80) : match.start()]
    version, stated_before = _GNU_VERSION.match(after), _GNU_BEFORE.search(before)
    stated = version or stated_before
    number = stated["number"] if stated else {"AGPL": "3.0", "LGPL": "2.0", "GPL": "1.0"}[prefix]
    number = number if "." in number else f"{number}.0"
    if prefix == "GPL" and number == "2.1":
        number = "2.0"
    later = bool(
        stated is None and prefix != "AGPL"
        or (version and (version["plus"] or _LATER.search(after[version.end() : version.end() + 60])))
        or (stated_before and stated_before["later"])
    )  # fmt: skip
    return expressions.parse(f"{prefix}-{number}-{'or-later' if later else 'only'}") or f"{prefix}-3.0-only"


def _joined(folded: str, granted: list[_Mention]) -> str | None:
    if len({mention.expression for mention in granted}) == 1:
        return granted[0].expression
    dual = bool(_DUAL.search(folded[max(0, granted[0].start - 200) : granted[-1].end]))
    joined = granted[0].expression
    for previous, mention in zip(granted, granted[1:], strict=False):
        if mention.expression == previous.expression:
            continue
        between = folded[previous.end : mention.start]
        choice = len(between) <= 200 and (dual or _is_choice(between))
        both = expressions.any_of if choice else expressions.all_of
        joined = both((joined, mention.expression)) or joined
    return _without_families(joined)


def _is_choice(between: str) -> bool:
    # "GPL version 2 or later and the MIT licence" offers no choice between the two.
    return bool(_CHOICE.search(_LATER.sub(" ", between)))


def _without_families(expression: str) -> str | None:
    members = {member for one in expressions.ids(expression) for member in (one,)}
    vague = {family for family, known in expressions.FAMILIES.items() if family in members and members & set(known)}
    if vague and not expressions.has_choice(expression):
        return expressions.all_of(members - vague)
    return expression


def _unnamed(folded: str) -> Notice | None:
    """A grant without a known name: a pointer says nothing here, anything else is unknown."""
    if not _STRONG_GRANT.search(folded) or not _LICENSE_WORD.search(folded):
        return None
    for grant in _STRONG_GRANT.finditer(folded):
        after = folded[grant.start() : grant.end() + 160]
        if not _patterns("pointers").search(folded[max(0, grant.start() - 60) : grant.end() + 160]) and re.search(
            r"licen[cs]e", after[len(grant[0]) :]
        ):
            return Notice(None, f"is under terms that are not known: {after[:60]!r}")
    return None


def field_expression(value: str) -> Notice | None:
    """Return what the value of a `License:` field says; None when it says nothing or points at a file."""
    value = _CLOSER.sub(" ", value).strip().strip("\"'`;,").rstrip(".").strip()
    if not value or len(value) > 200:
        return None
    known = expression_of(value)
    if known:
        return Notice(known)
    notice = notice_in(f"licensed under {value}")
    return notice if notice and (notice.expression or restriction_in(fold(value))) else None
