"""Letting token shards follow opt-outs: `drop`.

Takes suppression lists, or the signed removal lists of the releases that the shards were made of; nothing else is needed and nothing is
tokenized again. The tokens of a document that goes are overwritten with zeros where they lie, its mark is set, and every other document
keeps its number, so that a run that is resumed goes on in the same order without it. Of a document that stays, the places that left are
forgotten, and the best one that is left is displayed.

New tables are made first; drops/pending.json then says what is to be done, and everything after it may be done twice. So a drop that
is killed has either done nothing or is carried out by the next one, and until then nobody trains on the shards.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from model.shards import drop_records
from model.shards.carry_out import STAGED, carry_out, go_on
from model.shards.drop_records import DropRecord
from model.shards.leaving import Ints, Leaving, leaving
from model.shards.shards import Shards, open_shards
from model.shards.tables import DOCUMENTS, DOCUMENTS_FILE, DROPS, PLACES, PLACES_FILE, read_table, write_table
from stack_data import registry, storage
from stack_data.errors import ConfigError, InputError
from stack_data.optout.lists import SuppressionList
from stack_data.release import removal_list
from stack_data.release.removal import Removal

_SLASH = pa.scalar("/", pa.large_string())


@dataclass(frozen=True, slots=True)
class Dropped:
    """What a drop came to; the record is None when there was nothing to do."""

    record: DropRecord | None

    @property
    def num_documents(self) -> int:
        """How many documents went."""
        return len(self.record.documents) if self.record else 0

    @property
    def num_tokens(self) -> int:
        """How many tokens were overwritten."""
        return self.record.num_tokens if self.record else 0

    @property
    def num_places(self) -> int:
        """How many places were forgotten."""
        return self.record.num_places if self.record else 0


def drop(
    folder: Path, *, lists: Sequence[str] = (), removal_lists: Sequence[str] = (), keys: Mapping[str, Iterable[str]] | None = None,
    removal_keys: Sequence[str] = (),
) -> Dropped:  # fmt: skip
    """Apply lists, each a path or URL, to a folder of shards.

    keys: public keys by which an issuer's suppression lists may be signed; removal_keys: such keys for removal lists, beside those that
    the releases state. Raises InputError when a list is not acceptable, older than one that was applied, or of another release, or when
    the folder is damaged; ConfigError when there is nothing to apply; StorageError when the disk refuses.
    """
    with storage.locked(folder):
        resumed = go_on(folder)
        if not lists and not removal_lists:
            if resumed is None:
                raise ConfigError("name what to follow: a suppression list or a removal list")
            return Dropped(resumed)
        shards = open_shards(folder)
        known = [_suppressions(shards, one, keys or {}) for one in lists]
        removals = [_removals(shards, one, removal_keys) for one in removal_lists]
        planned = _planned(shards, known, removals)
        if planned is None:
            return Dropped(resumed)
        return Dropped(carry_out(folder, planned))


def _suppressions(shards: Shards, location: str, keys: Mapping[str, Iterable[str]]) -> tuple[SuppressionList, str]:
    """Return a suppression list and the SHA-256 of its bytes; InputError when it is older than one that is followed."""
    found, raw = registry.fetch(location, keys, Path())
    digest = hashlib.sha256(raw).hexdigest()
    last = max(
        [
            shards.epochs.get(found.issuer, 0),
            *(int(one.lists[found.issuer]["epoch"]) for one in shards.drops if found.issuer in one.lists),
        ]
    )
    if found.epoch < last:
        raise InputError(
            f"{location}: line 1: epoch {found.epoch} of issuer {found.issuer!r} is older than epoch {last}, which these shards follow; fetch "
            "the newest list"
        )
    for one in shards.drops:
        said = one.lists.get(found.issuer, {})
        if said.get("epoch") == found.epoch and said["sha256"] != digest:
            raise InputError(
                f"{location}: line 1: epoch {found.epoch} of issuer {found.issuer!r} was another list (SHA-256 {said['sha256'][:16]}...) when "
                "these shards followed it; a changed list needs a higher epoch"
            )
    return found, digest


def _removals(shards: Shards, location: str, keys: Sequence[str]) -> tuple[removal_list.RemovalList, str]:
    """Return a removal list and the SHA-256 of its bytes; InputError when it is of no release here, or older than one applied."""
    raw = registry.raw(location, Path())
    # Whose it is decides by which key it must be signed, so it is read twice.
    identity = str(removal_list.read(raw, location, ()).header["identity"])
    named = [one for one in shards.manifest.plan["config"]["releases"] if one["identity"] == identity]
    if not named:
        raise InputError(
            f"{location}: is for a release with identity {identity[:16]}..., and {shards.folder} holds other ones: {', '.join(shards.releases)}"
        )
    found = removal_list.read(raw, location, [*keys, *(one["key"] for one in named if one["key"])])
    epoch = int(found.header["epoch"])
    last = max([0, *(int(one.removals[identity]["epoch"]) for one in shards.drops if identity in one.removals)])
    if epoch < last:
        raise InputError(
            f"{location}: line 1: epoch {epoch} is older than epoch {last}, which these shards follow; fetch the newest list"
        )
    return found, hashlib.sha256(raw).hexdigest()


def _planned(
    shards: Shards, lists: Sequence[tuple[SuppressionList, str]], removals: Sequence[tuple[removal_list.RemovalList, str]]
) -> DropRecord | None:  # fmt: skip
    """Stage the new tables and state what is to be done; None when the lists say nothing new."""
    places = read_table(shards.folder / PLACES_FILE, PLACES)
    taken: list[Removal] = [one.removal for one, _ in removals]
    found = leaving(shards.columns, places, shards.is_dropped, [one for one, _ in lists], taken)
    said = DropRecord(
        max([0, *(one.number for one in shards.drops)]) + 1,
        {one.issuer: {"epoch": one.epoch, "sha256": digest} for one, digest in lists},
        {
            str(one.header["identity"]): {"epoch": int(one.header["epoch"]), "sha256": digest, "lists": dict(one.header["lists"])}
            for one, digest in removals
        },
        tuple(found.documents.tolist()), tuple(shards.content_ids[row].tobytes().hex() for row in found.documents.tolist()),
        int(shards.num_tokens[found.documents].sum()), int(found.places.sum()),
    )  # fmt: skip
    if not said.num_places and not _is_news(shards, said):
        return None
    if said.num_places:
        _stage(shards, places, found)
    drop_records.write_pending(shards.folder, said)
    return said


def _is_news(shards: Shards, said: DropRecord) -> bool:
    """Tell whether a drop that takes nothing still raises an epoch that lineage states."""
    followed = {issuer: one for record in shards.drops for issuer, one in record.lists.items()}
    applied = {identity: one for record in shards.drops for identity, one in record.removals.items()}
    return any(followed.get(issuer) != one for issuer, one in said.lists.items()) or any(
        applied.get(identity) != one for identity, one in said.removals.items()
    )


def _stage(shards: Shards, places: pa.Table, found: Leaving) -> None:
    """Write the tables as they are to be, beside those that are there."""
    folder = shards.folder / DROPS / STAGED
    left = places.filter(pa.array(~found.places))
    write_table(folder / PLACES_FILE, left, PLACES)
    owners = np.unique(places["document"].to_numpy()[found.places].astype(np.int64))
    write_table(folder / DOCUMENTS_FILE, _displayed(shards.columns, left, owners), DOCUMENTS)


def _displayed(documents: pa.Table, left: pa.Table, touched: Ints) -> pa.Table:
    """Return the table of documents: each touched one shows the first own place that is left to it, or none."""
    own = left.filter(pc.not_equal(left["relation"].cast(pa.string()), "near"))
    owner, first = np.unique(own["document"].to_numpy().astype(np.int64), return_index=True)
    at = np.searchsorted(owner, touched)
    is_left = np.isin(touched, owner)
    shown = own.take(pa.array(first[at[is_left]]))
    texts = {name: shown[name].cast(pa.large_string()) for name in ("host", "owner", "repo", "path")}
    named = {
        "host": texts["host"],
        "repo_name": pc.binary_join_element_wise(texts["owner"], texts["repo"], _SLASH),
        "path": texts["path"],
    }
    mask = np.zeros(documents.num_rows, bool)
    mask[touched] = True
    for name, column in named.items():
        values = np.full(len(touched), "", object)
        values[is_left] = column.to_numpy(zero_copy_only=False)
        whole = documents[name].combine_chunks()
        whole = pa.concat_arrays(whole.chunks) if isinstance(whole, pa.ChunkedArray) else whole
        changed = pc.replace_with_mask(whole, pa.array(mask), pa.array(values, pa.large_string()))
        documents = documents.set_column(documents.schema.get_field_index(name), DOCUMENTS.field(name), changed)
    return documents
