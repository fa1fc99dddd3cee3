"""The fold: from decisions about places and contents to one verdict for each content.

Reads the decision folders; writes nothing. A content is kept when no content-level decision drops it, at least one
of its places is kept, and none carries positive evidence of a licence that is not permissive (license.places =
"all"). Missing evidence elsewhere does not taint. What is displayed comes from the best-ranked kept place.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

_PART = pa.dictionary(pa.int32(), pa.string())

KEPT = pa.schema(
    [
        pa.field("content_id", pa.string()),
        # Where the bytes lie: file part and row.
        pa.field("part", _PART),
        pa.field("row", pa.int32()),
        pa.field("num_bytes", pa.int64()),
        # The displayed place: provenance part and row, its source group and the repository's row.
        pa.field("place_part", _PART),
        pa.field("place_row", pa.int32()),
        pa.field("group", _PART),
        pa.field("repository", pa.int32()),
        pa.field("language", pa.dictionary(pa.int16(), pa.string())),
        pa.field("extension", pa.string()),
        pa.field("expression", pa.string()),
        pa.field("license_type", pa.string()),
        pa.field("is_vendor", pa.bool_()),
        pa.field("is_generated", pa.bool_()),
        pa.field("num_provenances", pa.int32()),
    ]
)
"""One row per kept content, ordered by (source order, part, row)."""

PLACES = pa.schema(
    [
        pa.field("content_id", pa.string()),
        pa.field("kept_row", pa.int32()),
        pa.field("rank", pa.int32()),
        pa.field("place_part", _PART),
        pa.field("place_row", pa.int32()),
        pa.field("group", _PART),
        pa.field("repository", pa.int32()),
        pa.field("language", pa.dictionary(pa.int16(), pa.string())),
        pa.field("expression", pa.string()),
    ]
)
"""One row per kept place of a kept content, ordered by (kept_row, rank); kept_row is its content's row of KEPT."""

DROPPED = pa.schema(
    [
        pa.field("content_id", pa.string()),
        pa.field("stage", pa.dictionary(pa.int8(), pa.string())),
        pa.field("reason", pa.dictionary(pa.int16(), pa.string())),
        pa.field("num_bytes", pa.int64()),
        # An example place, for reports inside the build.
        pa.field("place_part", _PART),
        pa.field("place_row", pa.int32()),
    ]
)
"""One row per content that was read and is not kept, each content once."""


@dataclass(frozen=True, slots=True)
class Attrition:
    """What one reason removed. stage "fetch" and reason exact_duplicate count places, the others contents."""

    stage: str
    reason: str
    num_files: int
    num_bytes: int


@dataclass(frozen=True, slots=True)
class Fold:
    """The verdicts of a build."""

    kept: pa.Table
    places: pa.Table
    dropped: pa.Table
    attrition: tuple[Attrition, ...]
    num_entries: int
    num_entry_bytes: int
