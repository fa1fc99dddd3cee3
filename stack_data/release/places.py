"""The provenance rows of a release: every place of what is released, and of the near duplicates dropped beside it.

relation: `self` for the displayed place, `exact` for other places of the same content, `near` for places of a near duplicate
that was dropped beside it (its own content_id stands beside the released one).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stack_data.layout import Build
from stack_data.release.rows import PlaceReader, licenses_of
from stack_data.release.sources import ReleaseRows
from stack_data.release.tables import PROVENANCE

_Ints = npt.NDArray[np.int64]
Texts = Mapping[tuple[str, int], Sequence[str]]


def places_of(build: Build, rows: ReleaseRows, kept: npt.NDArray[np.int64], texts: Texts) -> pa.Table:
    """Return the provenance rows of contents, in their order: own places by rank, then those of near duplicates.

    texts: hashes of the licence texts behind each (group, verdict) of the licence stage.
    """
    own, of_own = _runs(rows.place_content, kept)
    near, of_near = _runs(rows.beside_content, kept)
    order = np.argsort(np.concatenate([of_own, of_near]), kind="stable")
    places = _stacked(rows.places, own, rows.beside, near).take(pa.array(order))
    repositories = np.concatenate([rows.place_repository[own], rows.beside_repository[near]])[order]
    of = np.concatenate([of_own, of_near])[order]
    rank = (np.arange(len(of)) - np.searchsorted(of, of, side="left")).astype(np.int32)
    is_near = np.concatenate([np.zeros(len(own), bool), np.ones(len(near), bool)])[order]
    read = PlaceReader(build).take(places["place_part"].combine_chunks(), places["place_row"].to_numpy())
    used, inverse = np.unique(repositories, return_inverse=True)
    named = [rows.repositories[row] for row in used.tolist()]
    spread = pa.array(inverse)
    released = rows.kept["content_id"].take(pa.array(kept[of]))
    own_only = pa.array(is_near)
    columns = {
        "released_content_id": released, "content_id": places["content_id"],
        "relation": pa.array(np.where(is_near, "near", np.where(rank == 0, "self", "exact")), pa.string()),
        "rank": rank, "revision": read["revision"], "path": read["path"],
        "language": places["language"], "detected_licenses": licenses_of(places["expression"]),
        "texts": pc.if_else(own_only, None, _texts_of(places["group"], read["verdict"], texts)),
        "source_kind": pc.if_else(
            own_only, None, pa.array([one["source_kind"] for one in named], pa.string()).take(spread)
        ),
        "star_events_count": pc.if_else(
            own_only, None, pa.array([one["stars"] for one in named], pa.int64()).take(spread)
        ),
        "is_vendor": pc.if_else(own_only, None, read["is_vendor"]),
        "is_generated": pc.if_else(own_only, None, read["is_generated"]),
    } | {
        name: pa.array([one[name] for one in named], PROVENANCE.field(name).type).take(spread)
        for name in ("host", "owner", "repo", "owner_id", "repo_id")
    }  # fmt: skip
    return pa.table([columns[name] for name in PROVENANCE.names], names=PROVENANCE.names).cast(PROVENANCE)


def _texts_of(groups: pa.ChunkedArray, verdicts: pa.ChunkedArray, texts: Texts) -> pa.Array:
    """Return the hashes of the licence texts of each place: list<string>[N]; equal verdicts are looked up once."""
    names = groups.combine_chunks().dictionary_encode()
    pairs = np.stack([names.indices.to_numpy(zero_copy_only=False), verdicts.to_numpy()])
    distinct, inverse = np.unique(pairs, axis=1, return_inverse=True)
    known = [list(texts.get((names.dictionary[group].as_py(), verdict), ())) for group, verdict in distinct.T.tolist()]
    return pa.array(known, pa.list_(pa.string())).take(pa.array(inverse.ravel()))


def _runs(owners: npt.NDArray[np.int32], wanted: npt.NDArray[np.int64]) -> tuple[_Ints, _Ints]:
    """Return the rows of ascending `owners` that belong to the wanted ones, in their order, and the place in `wanted` of each."""
    starts = np.searchsorted(owners, wanted, side="left")
    lengths = np.searchsorted(owners, wanted, side="right") - starts
    of = np.repeat(np.arange(len(wanted)), lengths)
    return np.arange(len(of)) + (starts - (np.cumsum(lengths) - lengths))[of], of


def _stacked(places: pa.Table, own: _Ints, beside: pa.Table, near: _Ints) -> pa.Table:
    """Return places of contents and then those of their near duplicates."""
    both = (places.take(pa.array(own)), beside.take(pa.array(near)))
    # The two have dictionaries of their own.
    columns = {
        name: pa.chunked_array([chunk for table in both for chunk in table[name].cast(kind).chunks], kind)
        for name, kind in _PLACE_COLUMNS.items()
    }
    return pa.table(columns | {"place_part": columns["place_part"].combine_chunks().dictionary_encode()})


_PLACE_COLUMNS = {
    "content_id": pa.string(), "place_part": pa.string(), "place_row": pa.int32(), "group": pa.string(),
    "language": pa.string(), "expression": pa.string(),
}  # fmt: skip
