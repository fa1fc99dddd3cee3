"""The licence stage: which licence covers each place. Decisions aligned with provenance/.

Works on one source group at a time, because a tree may span its parts. Reads paths and repositories of all places,
the header decisions, and the contents of the few evidence files. Writes, beside the decisions of each part,
`<group>.verdicts.parquet` (each distinct verdict once, with its evidence) and `<group>.notices.parquet` (the licence
files behind each permissive verdict, for NOTICE). Python sees each folder once and each distinct combination of
folder, header, section and statement once; places are mapped to verdicts by columns.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stack_data.licenses import expressions
from stack_data.licenses.copyrights import copyright_statements
from stack_data.licenses.curations import Curation, Curations
from stack_data.licenses.evidence import Evidence
from stack_data.licenses.files import folder_of, kind_of
from stack_data.licenses.policy import RULE_VERSION as POLICY_RULES
from stack_data.licenses.policy import Policy
from stack_data.licenses.reading import RULE_VERSION as READING_RULES
from stack_data.licenses.reading import evidence_of
from stack_data.licenses.rulings import repository_keys, ruled, rulings_of
from stack_data.licenses.tree import RULE_VERSION as TREE_RULES
from stack_data.licenses.tree import Tree, Verdict, verdict_of
from stack_data.reasons import Reason
from stack_data.records import LICENSE_DECISIONS
from stack_data.stages import header
from stack_data.stages.decisions import decision_columns

RULE_VERSION = 1000_000 * READING_RULES + 1000 * TREE_RULES + POLICY_RULES

VERDICTS = pa.schema(
    [
        pa.field("expression", pa.string()),
        pa.field("license_type", pa.string()),
        pa.field("reason", pa.string()),
        pa.field("detail", pa.string()),
        pa.field("evidence", pa.string()),
    ]
)
NOTICES = pa.schema(
    [
        pa.field("verdict", pa.int32()),
        pa.field("path", pa.string()),
        pa.field("text", pa.dictionary(pa.int32(), pa.large_string())),
        pa.field("expression", pa.string()),
        pa.field("copyrights", pa.list_(pa.string())),
    ]
)

_WITH_NOTICE = ("license", "notice", "page")
"""Kinds of evidence files that are about licences as a whole: reproduced in NOTICE, and no source files with headers."""

TextReader = Callable[[Sequence[tuple[int, int]]], list[str]]
"""Returns the texts of (file part, file row) pairs of the group."""


@dataclass(frozen=True, slots=True)
class GroupPlaces:
    """The places of a group: columns of all its provenance parts, concatenated, and what belongs to them.

    repositories  rows of repositories/<group>.parquet
    headers       evidence JSON of each place's content, null where it says nothing: string[N]
    """

    provenance: pa.Table
    repositories: pa.Table
    headers: pa.ChunkedArray
    read_texts: TextReader


@dataclass(slots=True)
class GroupVerdicts:
    """The result: a verdict index per place, the verdicts, and the texts behind them."""

    index: npt.NDArray[np.int32]
    verdicts: list[Verdict]
    notices: pa.Table


def decide(places: GroupPlaces, policy: Policy, curations: Curations) -> GroupVerdicts:
    """Return the verdict on every place of a group."""
    names = repository_keys(places.repositories, curations)
    rulings, ruling_rows = rulings_of(places.provenance, names, curations, policy)
    folders, folder_rows = _folders(places.provenance)
    evidence_rows = _evidence_rows(places.provenance)
    evidence, texts = _read_evidence(places, evidence_rows, curations.texts)
    trees = _trees(places, evidence, [curations.repositories.get(name) for name in names])
    places = replace(places, headers=_without_license_files(places, evidence_rows))
    keys, inverse = _combinations(places, folder_rows, trees, ruling_rows)
    # By repository too: the same finding in another repository stands on another text.
    verdicts: dict[tuple[int, Verdict], int] = {}
    shown: dict[int, tuple[Evidence, ...]] = {}
    of_key = np.empty(len(keys), np.int32)
    for number, (repository, folder_row, header_json, stated, scoped_paths, ruling_row) in enumerate(keys):
        tree = trees[repository]
        joined = tree.joined(folders[folder_row])
        scoped = tree.scoped_for(scoped_paths) if scoped_paths else ()
        verdict = verdict_of(joined, header.from_json(header_json) if header_json else (), scoped, stated, policy)
        verdict = ruled(verdict, rulings[ruling_row], policy)
        of_key[number] = index = verdicts.setdefault((repository, verdict), len(verdicts))
        if verdict.reason is None:
            covering = (*joined.evidence, *tree.replaced(joined), *scoped)
            if any(one.method == "curation" and not one.path for one in verdict.evidence):
                # Licence files that a person overruled are shipped for their copyright lines, unless they are not allowed.
                covering = tuple(one for one in covering if not one.expression or policy.is_permissive(one.expression))
            shown[index] = tuple(dict.fromkeys((*shown.get(index, ()), *covering)))
    repository_of = {index: repository for (repository, _), index in verdicts.items()}
    notices = _notices(shown, repository_of, texts)
    return GroupVerdicts(of_key[inverse], [verdict for _, verdict in verdicts], notices)


def _folders(provenance: pa.Table) -> tuple[list[str], npt.NDArray[np.int64]]:
    """Return the distinct folders and, for each place, the row of its folder."""
    paths = provenance["path"]
    folders = pc.if_else(
        pc.match_substring(paths, "/"), pc.replace_substring_regex(paths, r"/[^/]*$", ""), pa.scalar("")
    )
    encoded = (
        folders.combine_chunks().dictionary_encode()
        if folders.num_chunks != 1
        else folders.chunk(0).dictionary_encode()
    )
    return encoded.dictionary.to_pylist(), encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)


# One RE2 pass leaves the few paths whose names could be evidence.
_MAYBE = (
    r"(?i)(licen[cs]e|copying|copyright|copyleft|eula|patent|notice|legal|readme|gpl|\bmit\b|bsd|apache|mpl|epl|cc0|"
    r"artistic|zlib|isc|ofl|psf|boost|authors|pkg-info|metadata|pyproject\.toml|setup\.(cfg|py)|package\.json|"
    r"cargo\.toml|\.pom|pom\.xml|composer\.json|description)[^/]*$|(?i)licenses/"
)


def _evidence_rows(provenance: pa.Table) -> list[int]:
    readable = pc.greater_equal(provenance["file_row"], 0)
    maybe = pc.and_(pc.match_substring_regex(provenance["path"], _MAYBE), readable)
    return [int(row) for row in pc.indices_nonzero(maybe).to_pylist()]


def _read_evidence(
    places: GroupPlaces, rows: Sequence[int], curations: Mapping[str, Curation]
) -> tuple[dict[int, list[tuple[str, Evidence]]], dict[tuple[int, str], str]]:
    """Return evidence by repository as (folder, evidence) and the texts of licence files by (repository, path)."""
    taken = places.provenance.take(pa.array(rows, pa.int64())) if rows else places.provenance.slice(0, 0)
    paths = taken["path"].to_pylist()
    repositories = taken["repository"].to_pylist()
    kinds = [kind_of(path) for path in paths]
    chosen = [index for index, kind in enumerate(kinds) if kind]
    cells = list(zip(taken["file_part"].to_pylist(), taken["file_row"].to_pylist(), strict=True))
    texts = places.read_texts([cells[index] for index in chosen])
    roots = _project_roots(zip(repositories, paths, strict=True))
    found: dict[int, list[tuple[str, Evidence]]] = defaultdict(list)
    kept: dict[tuple[int, str], str] = {}
    for index, text in zip(chosen, texts, strict=True):
        path, repository, kind = paths[index], repositories[index], kinds[index]
        assert kind is not None
        home = _home(path, roots[repository])
        for one in evidence_of(path, text, kind, curations):
            found[repository].append((home, one))
        if kind in _WITH_NOTICE:
            kept[repository, path] = text
    return found, kept


def _without_license_files(places: GroupPlaces, rows: Sequence[int]) -> pa.ChunkedArray:
    """A licence file is no source file with a header: what it quotes and mentions says nothing about itself."""
    headers = places.headers.combine_chunks()
    paths = places.provenance["path"].take(pa.array(rows, pa.int64())).to_pylist()
    is_license = np.zeros(len(headers), bool)
    is_license[[row for row, path in zip(rows, paths, strict=True) if kind_of(path) in _WITH_NOTICE]] = True
    return pa.chunked_array([pc.if_else(pa.array(is_license), pa.scalar(None, headers.type), headers)])


def _project_roots(places: object) -> dict[int, set[str]]:
    roots: dict[int, set[str]] = defaultdict(set)
    for repository, path in places:  # type: ignore[attr-defined]
        folder, _, name = path.rpartition("/")
        if name in ("pyproject.toml", "setup.py", "setup.cfg"):
            roots[repository].add(folder)
    return roots


def _home(path: str, roots: set[str]) -> str:
    home = folder_of(path)
    if ".egg-info/" in path:
        # src/name.egg-info describes the project whose setup file lies above it, not the folder src/ alone.
        folder = home
        while folder not in roots:
            if not folder:
                return home
            folder = folder.rpartition("/")[0]
        return folder
    return home


def _trees(
    places: GroupPlaces, evidence: Mapping[int, list[tuple[str, Evidence]]], curated: Sequence[Curation | None]
) -> list[Tree]:
    """Return the tree of each repository. curated: what a person decided about each, or [] for none of them."""
    trees = []
    repositories = places.repositories.select(["declared_license", "declared_by"]).to_pylist()
    for number, repository in enumerate(repositories):
        levels: dict[str, list[Evidence]] = defaultdict(list)
        for folder, one in evidence.get(number, ()):
            levels[folder].append(one)
        declared = None
        if repository["declared_license"]:
            declared = Evidence(
                "", 0, 0, "declared", repository["declared_license"], 1.0, repository["declared_by"] or ""
            )
            if not (repository["declared_by"] or "").startswith("configuration"):
                # A registry's word is one more statement at the root; the configuration's is the user's own.
                levels[""].append(declared)
                declared = None
        decided = curated[number] if curated else None
        if decided is not None and decided.effect == "license":
            declared = decided.evidence()
        trees.append(Tree(levels, declared))
    return trees


def _combinations(
    places: GroupPlaces, folder_rows: npt.NDArray[np.int64], trees: Sequence[Tree], rulings: npt.NDArray[np.int64]
) -> tuple[list[tuple[int, int, str | None, str | None, str | None, int]], npt.NDArray[np.int64]]:
    """Return the distinct (repository, folder row, header, statement, path for sections, ruling) and each place's row."""
    provenance = places.provenance
    repositories = provenance["repository"].to_numpy().astype(np.int64)
    headers, header_codes = _codes(places.headers)
    statements, statement_codes = _codes(provenance["license"])
    scoped_paths, scoped_codes = _scoped(provenance, repositories, trees)
    columns = [repositories, folder_rows, header_codes, statement_codes, scoped_codes]
    # Nearly every group is without rulings, and rows sort faster without a column of zeros.
    stacked = np.stack([*columns, rulings] if rulings.any() else columns, axis=1)
    if not len(stacked):
        return [], np.empty(0, np.int64)
    distinct, inverse = np.unique(stacked, axis=0, return_inverse=True)
    keys = [
        (int(r), int(f), headers[h], statements[s], scoped_paths[p], int(ruling[0]) if len(ruling) else 0)
        for r, f, h, s, p, *ruling in distinct
    ]
    return keys, inverse.ravel().astype(np.int64)


def _codes(column: pa.ChunkedArray) -> tuple[list[str | None], npt.NDArray[np.int64]]:
    """Return distinct values, null first, and each row's index into them."""
    encoded = (
        column.combine_chunks().dictionary_encode() if column.num_chunks != 1 else column.chunk(0).dictionary_encode()
    )
    codes = pc.add(encoded.indices, 1).fill_null(0).to_numpy(zero_copy_only=False)
    return [None, *encoded.dictionary.to_pylist()], codes.astype(np.int64)


def _scoped(
    provenance: pa.Table, repositories: npt.NDArray[np.int64], trees: Sequence[Tree]
) -> tuple[list[str | None], npt.NDArray[np.int64]]:
    """Number the places that some section of a licence file names; 0 for all others."""
    codes = np.zeros(provenance.num_rows, np.int64)
    paths: list[str | None] = [None]
    with_sections = [number for number, tree in enumerate(trees) if tree.scoped]
    if not with_sections:
        return paths, codes
    for row in np.flatnonzero(np.isin(repositories, with_sections)).tolist():
        path = provenance["path"][row].as_py()
        if trees[int(repositories[row])].scoped_for(path):
            codes[row] = len(paths)
            paths.append(path)
    return paths, codes


def _notices(
    shown: Mapping[int, Sequence[Evidence]], repository_of: Mapping[int, int], texts: Mapping[tuple[int, str], str]
) -> pa.Table:
    rows: dict[str, list[object]] = {name: [] for name in NOTICES.names}
    statements: dict[str, list[str]] = {}
    for verdict, evidence in sorted(shown.items()):
        for path in sorted({one.path for one in evidence}):
            text = texts.get((repository_of[verdict], path))
            if text is None:
                continue
            known = sorted({one.expression for one in evidence if one.path == path and one.expression})
            rows["verdict"].append(verdict)
            rows["path"].append(path)
            rows["text"].append(text)
            rows["expression"].append(expressions.all_of(known))
            rows["copyrights"].append(statements.setdefault(text, copyright_statements(text)))
    rows["text"] = pa.array(rows["text"], pa.large_string()).dictionary_encode()  # type: ignore[assignment]
    return pa.table(rows).cast(NOTICES)


def decisions_of(provenance: pa.Table, index: npt.NDArray[np.int32], verdicts: Sequence[Verdict]) -> pa.Table:
    """Return the decisions about one part's places, given their verdict indices."""
    reasons = [reason for reason in Reason if reason.stage == "license"]
    position = {reason: number for number, reason in enumerate(reasons)}
    codes = np.array([position[verdict.reason] if verdict.reason else -1 for verdict in verdicts] or [0], np.int16)
    types = ["permissive", "non_permissive", "unknown", "no_license"]
    type_codes = np.array([types.index(verdict.license_type) for verdict in verdicts] or [0], np.int8)
    details = pa.array([verdict.detail for verdict in verdicts], pa.string())
    known = pa.array([verdict.expression for verdict in verdicts], pa.string())
    rows = pa.array(index, pa.int32())
    columns = decision_columns(provenance["content_id"], codes[index], reasons, details.take(rows))
    columns["expression"] = known.take(rows)
    columns["license_type"] = pa.DictionaryArray.from_arrays(pa.array(type_codes[index]), pa.array(types))
    columns["verdict"] = rows
    return pa.table(columns).cast(LICENSE_DECISIONS)


def verdicts_table(verdicts: Sequence[Verdict]) -> pa.Table:
    """Return the distinct verdicts as stored."""
    rows = [
        {
            "expression": verdict.expression, "license_type": verdict.license_type,
            "reason": verdict.reason.value if verdict.reason else None, "detail": verdict.detail,
            "evidence": header.to_json(verdict.evidence),
        }
        for verdict in verdicts
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=VERDICTS)
