"""Answers of look-ups and searches as text for people; the JSON forms have everything, these the first lines of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from stack_data.counting import counted
from stack_data.search.answer import GUARANTEED, Answer, Match

if TYPE_CHECKING:  # a snippet's text waits for none of these
    from stack_data.search.keyword_index import Files
    from stack_data.search.owners import Elsewhere, Owned, Page
    from stack_data.search.protocol import Release

MOST = 10
"""Names of a list."""


def searched_line(searched: Iterable[Mapping[str, Any]]) -> str:
    """Return which releases were searched: without it nothing found would read as original."""
    return "searched: " + (", ".join(str(one["release"]) for one in searched) or "no release")


def _labels(answer: Answer) -> str:
    return "searched: " + (", ".join(one.label for one in answer.searched) or "no release")


def snippet_text(answer: Answer, is_all: bool = False) -> str:
    """Return the matches of a snippet, what could be found at all, and where was looked. is_all: every place of every match."""
    lines = [line for one in answer.matches for line in _match(one, is_all)]
    if answer.capped:
        lines.append(
            "capped: more contents hold this than are listed, or looking was stopped; a rarer or a longer piece tells more"
        )
    if answer.withheld:
        lines.append(
            f"withheld: {counted(answer.withheld, 'place')} that may hold it too, but removed or hidden by a suppression list"
        )
    contents = len({one.content_id for one in answer.matches})
    found = f"{counted(len(answer.matches), 'match', 'matches')} in {counted(contents, 'file')}"
    return "\n".join([*lines, _findable(answer.num_tokens), f"snippet: {found}; {_labels(answer)}"])


def _findable(num_tokens: int) -> str:
    """Say which copies of a snippet of so many code tokens can be found."""
    words, code, renamed = (GUARANTEED[kind] for kind in ("exact", "reformatted", "renamed"))
    if num_tokens < code:
        return (
            f"too short: it has {counted(num_tokens, 'code token')}, and code is found from {code} on; comments and strings from {words} words "
            "and signs on"
        )
    told = f"found are copies of {code} code tokens and more, whatever their layout, comments and quotes; of {words} words and signs in comments and strings"
    if num_tokens < renamed:
        return (
            f"{told}; too short for copies with other names: it has {num_tokens}, and they are found from {renamed} on"
        )
    return f"{told}; of {renamed} code tokens with other names"


def _match(match: Match, is_all: bool) -> Iterator[str]:
    (first, last), (begin, end) = match.query_lines, match.source_lines
    yield f"lines {first}-{last}: {counted(match.num_tokens, 'token')}, {match.kind}, {match.license or 'licence unknown'}"
    shown = match.places if is_all else match.places[:1]
    for number, place in enumerate(shown):
        lines = "" if place.relation == "near" else f":{begin}-{end}"
        note = (
            " (a near duplicate)" if place.relation == "near" else "" if number else f"  ({', '.join(match.versions)})"
        )
        yield f"  {place.host}/{place.repo_name}: {place.path}{lines}{note}"
    yield from _rest(len(match.places) - len(shown))


def _rest(count: int) -> Iterator[str]:
    if count > 0:
        yield f"  and {counted(count, 'more place')}; all of them: --all"


def human_bytes(count: int) -> str:
    """Return a size for people."""
    from stack_data.report import attrition

    return attrition.human_bytes(count)


def owned_text(found: Owned, dropped: Mapping[str, Any] | None, called: Sequence[str] = ()) -> str:
    """Return what an index has of an owner or repository. dropped: the second part, where a build was given; called: repositories of that
    name."""
    released = found.released
    lines = [
        f"released: {counted(released.files, 'file')}, {counted(released.contents, 'content')}, {human_bytes(released.num_bytes)}",
        *_tally("languages", released.languages), *_tally("licences", released.licenses), *_tally("versions", released.versions),
    ]  # fmt: skip
    lines += [f"  {alias} is another name of {host}/{name}" for alias, host, name in found.aliases[:MOST]]
    if found.num_repositories > 1:
        lines += [f"  {host}/{name}: {counted(files, 'file')}" for host, name, files in found.repositories[:MOST]]
        rest = found.num_repositories - MOST
        lines += [f"  and {counted(rest, 'more repository', 'more repositories')}"] if rest > 0 else []
    if dropped is not None:
        lines.append(f"dropped: {counted(dropped['files'], 'file')}")
        lines += [f"  {one['files']:,} {one['reason']}: {one['meaning']}" for one in dropped["reasons"]]
    lines += [_elsewhere("identical copies at others' places", found.exact)]
    lines += [_elsewhere("others' files that yours are near duplicates of", found.near)]
    if called:
        lines.append(f"repositories of that name: {', '.join(called)}; ask with: search repository")
    labels = ", ".join(one.label for one in found.searched) or "no release"
    state = (
        "nothing is released under this name" if not released.files else f"{counted(released.files, 'file')} released"
    )
    return "\n".join([*lines, f"{found.asked.name}: {state}; searched: {labels}"])


def _tally(name: str, counts: Mapping[str, int]) -> Iterator[str]:
    if counts:
        first = [f"{value or 'unknown'} {count:,}" for value, count in list(counts.items())[:MOST]]
        yield f"  {name}: " + ", ".join(first) + (f" and {len(counts) - MOST} more" if len(counts) > MOST else "")


def _elsewhere(what: str, found: Elsewhere) -> str:
    return (
        f"{what}: {counted(found.contents, 'content')}, {human_bytes(found.num_bytes)}, at {counted(found.places, 'place')} "
        f"in {counted(found.repositories, 'repository', 'repositories')}"
    )


def page_text(page: Page, searched: Iterable[Release]) -> str:
    """Return a page of places, one a line."""
    lines = [
        f"{one['content_id']}  {one['host']}/{one['repo_name']}: {one['path']}  {one['license'] or 'licence unknown'}"
        for one in page.rows
    ]
    more = f"; the next page: --first {page.next}" if page.next is not None else ""
    labels = ", ".join(one.label for one in searched) or "no release"
    return "\n".join([*lines, f"{len(page.rows):,} of {counted(page.total, 'file')}{more}; searched: {labels}"])


def file_text(found: Mapping[str, Any], is_all: bool = False) -> str:
    """Return what is known of single contents. is_all: every place of each."""
    lines: list[str] = []
    for kind, title in (("found", "in the corpus"), ("near", "was left out as a near duplicate of")):
        for one in found[kind]:
            lines.append(
                f"{title}: {one['content_id']}, {one['language']}, {one['license']}, {', '.join(one['versions'])}"
            )
            lines += [
                f"  {place['host']}/{place['repo_name']}: {place['path']} ({place['relation']})"
                for place in one["provenances"][: None if is_all else MOST]
            ]
            lines += [] if is_all else _rest(len(one["provenances"]) - MOST)
    state = "found" if found["found"] else "found as a near duplicate" if found["near"] else "not found"
    return "\n".join([*lines, f"{found['id']}: {state}; {searched_line(found['searched'])}"])


def files_text(found: Files, bold: bool = False) -> str:
    """Return the files of a keyword search with the lines that answer it. bold: marks what matches, for a terminal."""
    lines: list[str] = []
    for one in found.files:
        place = one.facts.places[0]
        lines.append(f"{place.host}/{place.repo_name}: {place.path}  {one.facts.license or 'licence unknown'}")
        lines += [f"  {line.number:>5}: {_marked(line.text, line.spans, bold)}" for line in one.lines]
    labels = ", ".join(one.label for one in found.index.searched) or "no release"
    most = "at most " if found.capped else ""
    return "\n".join(
        [*lines, f"text: {len(found.files):,} of {most}{counted(found.num_files, 'file')}; searched: {labels}"]
    )


def _marked(text: str, spans: Iterable[tuple[int, int]], bold: bool) -> str:
    """Return a line with its matches between brackets that a terminal shows as they are, or as it is."""
    if not bold:
        return text
    made, at = [], 0
    for start, end in spans:
        made += [
            text[at:start],
            "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}",
            text[start:end],
            "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}",
        ]
        at = end
    return "".join([*made, text[at:]])
