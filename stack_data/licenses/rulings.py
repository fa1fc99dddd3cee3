"""Which places curations of contents, paths and repositories are about, and what they make of a verdict.

Pure functions over columns; nothing is read or written. The rules, told for users in docs/corrections.md:

- A denial is never out-voted: contested before denied, and both before every stated licence, at whatever level.
- Among stated licences the closest one counts: of the content, then of the path (the later of two patterns), then of the
  repository, then of the text.
- A licence stated for a content or path replaces all that was found there, header and statement too. So does one for a
  repository that is not permissive. A permissive one replaces the evidence of the root and the source's statement only
  (tree.py): a file's own header, nested manifests and foreign folders still speak, because nobody who judges a
  repository has read each of its files.
- A denied place tells nothing about other places: what was found there counts for the content as before.

Not covered: renamed repositories and aliases; a curation names the repository as the build displays it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stack_data.licenses.curations import Curation, Curations, pattern_of, repository_key
from stack_data.licenses.policy import Policy
from stack_data.licenses.tree import Verdict, join_level, verdict_of
from stack_data.reasons import Reason

_Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Ruling:
    """What curations say of a place: `licensed` replaces what was found, `denied` puts it out whatever that is."""

    licensed: Curation | None = None
    denied: Curation | None = None


def repository_keys(repositories: pa.Table, curations: Curations) -> list[str]:
    """Return the comparison key of each row of repositories/; [] when no curation names a repository."""
    if not (curations.repositories or curations.paths):
        return []
    rows = repositories.select(["host", "owner", "repo"]).to_pylist()
    return [repository_key(row["host"], row["owner"], row["repo"]) for row in rows]


def rulings_of(
    places: pa.Table, keys: Sequence[str], curations: Curations, policy: Policy
) -> tuple[list[Ruling], _Rows]:
    """Return the distinct rulings, that of no curation first, and the row in them of each of N places: int64[N].

    places: columns content_id, repository and path; keys: of the repositories, as repository_keys returns them
    """
    codes = np.zeros((2, places.num_rows), np.int64)
    chosen: list[Curation | None] = [None]
    # In rising order of weight: what comes later replaces what came before.
    for curation, rows in _hits(places, keys, curations, policy):
        codes[int(curation.effect != "license"), rows] = len(chosen)
        chosen.append(curation)
    hit = np.flatnonzero(codes.any(axis=0))
    pairs, inverse = np.unique(codes[:, hit], axis=1, return_inverse=True)
    row_of = np.zeros(places.num_rows, np.int64)
    row_of[hit] = inverse.ravel() + 1
    return [Ruling(), *(Ruling(chosen[a], chosen[b]) for a, b in pairs.T.tolist())], row_of


def _hits(
    places: pa.Table, keys: Sequence[str], curations: Curations, policy: Policy
) -> Iterator[tuple[Curation, _Rows]]:
    """Yield curations and the rows of the places they are about, the weightiest last."""
    repositories = places["repository"].to_numpy()
    rows_of = {
        key: [row for row, one in enumerate(keys) if one == key] for key in {*curations.repositories, *curations.paths}
    }
    for key, one in curations.repositories.items():
        if rows_of[key] and not policy.is_permissive(one.license):
            yield one, np.flatnonzero(np.isin(repositories, rows_of[key]))
    for key, found in curations.paths.items():
        inside = np.flatnonzero(np.isin(repositories, rows_of[key])) if rows_of[key] else np.empty(0, np.int64)
        paths = places["path"].take(pa.array(inside))
        for curation in found if len(inside) else ():
            named = pc.match_substring_regex(paths, pattern_of(curation.glob)).to_numpy()
            yield curation, inside[named.astype(bool)]
    yield from _content_hits(places["content_id"], list(curations.contents.values()))


def _content_hits(ids: pa.ChunkedArray, contents: Sequence[Curation]) -> Iterator[tuple[Curation, _Rows]]:
    found = pc.index_in(ids, pa.array([one.key for one in contents], pa.string()))
    rows = pc.indices_nonzero(found.is_valid()).to_numpy().astype(np.int64)
    numbers = found.take(pa.array(rows)).to_numpy()
    for number in np.unique(numbers).tolist():
        yield contents[number], rows[numbers == number]


def ruled(found: Verdict, ruling: Ruling, policy: Policy) -> Verdict:
    """Return the verdict on a place, given what was found there without the ruling."""
    if ruling.denied is not None:
        return _denied(found, ruling.denied, policy)
    # A denied licence text covers the place: nobody's word on the place itself takes that back.
    if ruling.licensed is None or found.reason is Reason.LICENSE_DENIED:
        return found
    decided = verdict_of(join_level([ruling.licensed.evidence()]), (), (), None, policy)
    before = f"{found.expression or 'no licence'}, {found.reason.value if found.reason else 'permissive'}"
    return replace(decided, detail=f"a person decided; found: {before}")


def _denied(found: Verdict, denial: Curation, policy: Policy) -> Verdict:
    contested = denial.effect == "contested"
    expression, kind = found.expression, found.license_type
    if denial.license is not None:
        expression, kind = denial.license, "permissive" if policy.is_permissive(denial.license) else "non_permissive"
    return Verdict(
        expression, "unknown" if kind == "permissive" else kind,
        Reason.LICENSE_CONTESTED if contested else Reason.LICENSE_DENIED,
        f"{denial.person}, {denial.date}: {denial.reason}", (denial.evidence(), *found.evidence),
    )  # fmt: skip
