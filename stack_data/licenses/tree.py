"""From evidence to the licence of a place: levels of a tree, joined on the way up to the unit's root.

Pure functions over one repository's evidence; nothing is read or written. The rules are those of the formats
document, section 2: evidence of one level is joined by AND unless a statement there offers the same licences as a
choice; every level up to the unit must be permissive; a level whose manifest states a licence starts anew; each
child of a foreign folder (third_party, node_modules, ...) has its own licence or none.
"""

from __future__ import annotations

import fnmatch
import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from stack_data.licenses import expressions
from stack_data.licenses.evidence import Evidence
from stack_data.licenses.files import is_foreign_folder
from stack_data.licenses.policy import Policy
from stack_data.reasons import Reason

RULE_VERSION = 2


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a place may be used under. `reason` None: it is permissive and stays."""

    expression: str | None
    license_type: str
    reason: Reason | None
    detail: str
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class Joined:
    """Evidence joined: `expression` of what is known, and the evidence that nothing explains."""

    expression: str | None
    unknown: tuple[Evidence, ...]
    evidence: tuple[Evidence, ...]


NOTHING = Joined(None, (), ())


def is_denial(evidence: Evidence) -> bool:
    """Return whether a person denied what the evidence stands for: a curation without a licence."""
    return evidence.method == "curation" and evidence.expression is None


def is_of_repository(evidence: Evidence) -> bool:
    """Return whether a person stated a licence for the repository as a whole: a curation of no file."""
    return evidence.method == "curation" and not evidence.path


def join_level(evidence: Sequence[Evidence]) -> Joined:
    """Join the evidence of one folder."""
    texts = [one for one in evidence if one.method in ("text", "notice", "tag", "curation")]
    statements = [one for one in evidence if one.method in ("metadata", "reference", "declared")]
    known_texts = {one.expression for one in texts if one.expression}
    # The text of an exception beside that of a licence grants more; alone it grants nothing, and stays to say so.
    known_texts = {expression for expression in known_texts if not expressions.is_exception(expression)} or known_texts
    stated = {one.expression for one in statements if one.expression}
    choices = {expression for expression in stated if expressions.has_choice(expression)}
    specific = {expression for expression in stated - choices if not _is_told_closer(expression, known_texts | stated)}
    uncovered = {
        expression
        for expression in known_texts | specific
        if not any(_offers(choice, expression) for choice in choices)
    }
    unknown = tuple(one for one in evidence if one.expression is None)
    if known_texts and not any(one.method == "text" for one in unknown):
        # A manifest's odd name beside a licence text that is understood word by word: the text is what it means.
        unknown = tuple(one for one in unknown if one.method != "metadata")
    return Joined(expressions.all_of(choices | uncovered), unknown, tuple(evidence))


def _offers(choice: str, expression: str) -> bool:
    return all(expressions.covers(choice, license_id) for license_id in expressions.ids(expression))


def _is_told_closer(vague: str, others: Iterable[str]) -> bool:
    """A family ("BSD License") beside one of its members says nothing more."""
    members = expressions.FAMILIES.get(vague)
    return members is not None and any(
        license_id in members for other in others for license_id in expressions.ids(other)
    )


class Tree:
    """The evidence of one repository or distribution by folder, and the joined licence of every folder below it."""

    def __init__(self, evidence: Mapping[str, Sequence[Evidence]], declared: Evidence | None = None) -> None:
        self._levels = dict(evidence)
        self._declared = declared
        self._memo: dict[str, Joined] = {}
        self.scoped = [(folder, one) for folder, found in sorted(self._levels.items()) for one in found if one.files]

    def joined(self, folder: str) -> Joined:
        """Return what covers the files that lie directly in `folder`."""
        known = self._memo.get(folder)
        if known is None:
            known = self._memo[folder] = self._climb(folder)
        return known

    def _climb(self, folder: str) -> Joined:
        own = [one for one in self._levels.get(folder, ()) if not one.files]
        if folder == "":
            if self._declared:
                # A denied text stays denied, whoever declares something else.
                own = [self._declared, *filter(is_denial, own)]
            return join_level(own) if own else NOTHING
        parent, _, name = folder.rpartition("/")
        level = join_level(own) if own else NOTHING
        if any(one.method == "metadata" and one.expression for one in own):
            return level
        if is_foreign_folder(name) or is_foreign_folder(parent.rpartition("/")[2]):
            # A foreign folder covers what lies directly in it; each of its children has its own licence or none.
            return level
        return _stack(level, self.joined(parent))

    def replaced(self, joined: Joined) -> tuple[Evidence, ...]:
        """Return the evidence at the root that a person's word on the repository stands for in `joined`."""
        return tuple(self._levels.get("", ())) if any(map(is_of_repository, joined.evidence)) else ()

    def scoped_for(self, path: str) -> tuple[Evidence, ...]:
        """Return the evidence of sections that name `path` among the files they speak for.

        A file that is named may have moved since: its name alone is enough where the tree covers the path already, so
        that the section can only narrow it.
        """
        if not self.scoped:
            return ()
        parent, _, name = path.rpartition("/")
        covered = bool(self.joined(parent).evidence)
        return tuple(
            one
            for folder, one in self.scoped
            if _names_path(folder, one.files, path) or (covered and name in map(_file_name, one.files))
        )


def _stack(level: Joined, above: Joined) -> Joined:
    if not level.evidence:
        return above
    if not above.evidence:
        return level
    parts = [joined.expression for joined in (level, above) if joined.expression]
    return Joined(expressions.all_of(parts), level.unknown + above.unknown, level.evidence + above.evidence)


def _names_path(folder: str, patterns: Iterable[str], path: str) -> bool:
    """Tell whether patterns name a path, from the folder of their file or from the root."""
    inside = path.removeprefix(f"{folder}/") if folder else path
    return any(_pattern(pattern).match(inside) or _pattern(pattern).match(path) for pattern in patterns)


@functools.lru_cache(65536)
def _file_name(pattern: str) -> str:
    """Return the file name a pattern ends with, "" when it names a folder or any of several files."""
    name = pattern.rpartition("/")[2]
    return name if "." in name.strip(".") and not re.search(r"[*?\[]", name) else ""


@functools.lru_cache(65536)
def _pattern(glob: str) -> re.Pattern[str]:
    glob = glob.strip().lstrip("./")
    if glob.endswith("/"):
        glob += "*"
    return re.compile(fnmatch.translate(glob))


def verdict_of(
    tree: Joined, header: Sequence[Evidence], scoped: Sequence[Evidence], stated: str | None, policy: Policy
) -> Verdict:
    """Return the verdict on a place.

    tree    what covers its folder; scoped: sections of licence files that name it
    header  what the content says itself: one that is not permissive drops, a specific permissive one replaces the tree
    stated  what the source states for this very place (data sets), joined with the tree
    """
    found = _found(tree, header, scoped, stated, policy)
    denial = next(filter(is_denial, tree.evidence), None)
    if denial is None:
        return found
    kind = "unknown" if found.license_type == "permissive" else found.license_type
    evidence = tuple(dict.fromkeys((denial, *found.evidence)))
    return Verdict(found.expression, kind, Reason.LICENSE_DENIED, f"{denial.path}: {denial.detail}", evidence)


def _found(
    tree: Joined, header: Sequence[Evidence], scoped: Sequence[Evidence], stated: str | None, policy: Policy
) -> Verdict:
    """Return the verdict of what was found."""
    if header and not all(_is_vague(one) for one in header):
        return _verdict(join_level(header), policy)
    parts = [tree] if tree.evidence else []
    if stated is not None and not any(map(is_of_repository, tree.evidence)):
        evidence = Evidence("", 0, 0, "declared", expressions.parse(stated))
        parts.append(join_level([evidence]))
    if scoped:
        parts.append(join_level(scoped))
    if header and parts:
        # "BSD-style, see LICENSE" beside that LICENSE: the family adds nothing when a member covers the file.
        known = [joined.expression for joined in parts if joined.expression]
        parts += [join_level([one]) for one in header if not _is_told_closer(one.expression or "", known)]
    joined = functools.reduce(_stack, parts, NOTHING)
    return _verdict(joined, policy)


def _is_vague(evidence: Evidence) -> bool:
    """A family, alone or in a choice, needs the tree to say which member it is."""
    return evidence.expression is not None and any(
        license_id in expressions.FAMILIES for license_id in expressions.ids(evidence.expression)
    )


def _verdict(joined: Joined, policy: Policy) -> Verdict:
    if not joined.evidence:
        return Verdict(None, "no_license", Reason.NO_LICENSE, "", ())
    # Who gives up every right, or grants more than a licence, asks for nothing: beside a licence it narrows nobody.
    joined = replace(joined, expression=expressions.narrowing(joined.expression))
    permissive = policy.is_permissive(joined.expression)
    if joined.expression and not permissive:
        mixed = any(policy.is_permissive(one.expression) for one in joined.evidence)
        reason = Reason.LICENSE_CONFLICT if mixed else Reason.LICENSE_NOT_PERMISSIVE
        return Verdict(joined.expression, "non_permissive", reason, _blame(joined, policy), joined.evidence)
    if joined.unknown:
        # A title beside an altered text is no second opinion; an understood file is.
        doubtful = {one.path for one in joined.unknown}
        understood = permissive and any(one.expression and one.path not in doubtful for one in joined.evidence)
        reason = Reason.LICENSE_CONFLICT if understood else Reason.LICENSE_UNKNOWN
        first = joined.unknown[0]
        return Verdict(
            joined.expression, "unknown", reason, f"{first.path or 'the file itself'}: {first.detail}", joined.evidence
        )
    if joined.expression is None:
        return Verdict(None, "no_license", Reason.NO_LICENSE, "", joined.evidence)
    return Verdict(joined.expression, "permissive", None, "", joined.evidence)


def _blame(joined: Joined, policy: Policy) -> str:
    culprit = next(
        (one for one in joined.evidence if one.expression and not policy.is_permissive(one.expression)), None
    )
    return f"{culprit.path or 'the file itself'}: {culprit.expression}" if culprit else joined.expression or ""
