"""Removal lists of releases, applied to an index: what left a release since it was indexed leaves the index.

The builder publishes them (release/removal_list.py), signed; an index knows which key each of its releases states. Needs neither the
release nor a build.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stack_data import registry
from stack_data.errors import InputError
from stack_data.release.removal_list import read
from stack_data.search import index_state
from stack_data.search.removals import Removed, remove


def remove_listed(folder: Path, location: str, keys: Sequence[str] = ()) -> Removed:
    """Take out of an index what the removal list at a path or URL names; removals are for all releases of the index.

    keys: public keys to trust beside the one that the release states. Raises InputError when the list is of a release that the
    index does not hold, or is not signed as it must be.
    """
    releases = index_state.read(folder).releases
    raw = registry.raw(location, Path())
    # Whose it is decides by which key it must be signed, so it is read twice.
    identity = read(raw, location, ()).header["identity"]
    named = [one for one in releases if one.identity == identity]
    if not named:
        known = ", ".join(one.label for one in releases) or "none"
        raise InputError(
            f"{location}: is for a release with identity {str(identity)[:16]}..., and {folder} holds other ones: {known}"
        )
    stated = [one.key for one in named if one.key]
    found = read(raw, location, [*keys, *stated]).removal
    return remove(folder, contents=found.contents.to_pylist(), places=found.places.to_pylist())
