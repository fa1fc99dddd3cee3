"""The tables of a release as Arrow schemas: data, provenance, notices and ledger."""

from __future__ import annotations

import pyarrow as pa

DATA = pa.schema(
    [
        pa.field("content_id", pa.string()),
        pa.field("content", pa.large_string()),
        pa.field("path", pa.string()),
        pa.field("repo_name", pa.string()),
        pa.field("host", pa.string()),
        pa.field("revision_id", pa.string()),
        pa.field("language", pa.string()),
        pa.field("extension", pa.string()),
        pa.field("length_bytes", pa.int64()),
        pa.field("detected_licenses", pa.list_(pa.string())),
        pa.field("license_type", pa.string()),
        pa.field("is_vendor", pa.bool_()),
        pa.field("is_generated", pa.bool_()),
        pa.field("source_kind", pa.string()),
        pa.field("star_events_count", pa.int64()),
        pa.field("num_lines", pa.int32()),
        pa.field("avg_line_length", pa.float64()),
        pa.field("max_line_length", pa.int32()),
        pa.field("alphanum_fraction", pa.float64()),
        pa.field("near_duplicate_cluster", pa.int64()),
        pa.field("num_provenances", pa.int32()),
        pa.field("sha256", pa.string()),
        pa.field("text_sha256", pa.string()),
        pa.field("encoding", pa.string()),
        pa.field("conversion", pa.string()),
        pa.field("num_redactions", pa.int32()),
    ]
)

PROVENANCE = pa.schema(
    [
        pa.field("released_content_id", pa.string()),
        pa.field("content_id", pa.string()),
        pa.field("relation", pa.string()),
        pa.field("rank", pa.int32()),
        pa.field("host", pa.string()),
        pa.field("owner", pa.string()),
        pa.field("repo", pa.string()),
        pa.field("owner_id", pa.int64()),
        pa.field("repo_id", pa.int64()),
        pa.field("revision", pa.string()),
        pa.field("path", pa.string()),
        pa.field("language", pa.string()),
        pa.field("detected_licenses", pa.list_(pa.string())),
        # What the file says of itself when this place is displayed, should those before it leave; null for near duplicates.
        pa.field("source_kind", pa.string()),
        pa.field("star_events_count", pa.int64()),
        pa.field("is_vendor", pa.bool_()),
        pa.field("is_generated", pa.bool_()),
        pa.field("texts", pa.list_(pa.string())),
    ]
)

NOTICES = pa.schema(
    [
        pa.field("content_id", pa.string()),
        # Copyright lines of the file's own header.
        pa.field("copyrights", pa.list_(pa.string())),
        # SHA-256 of the licence texts that cover its displayed place: rows of notices/texts.parquet.
        pa.field("texts", pa.list_(pa.string())),
    ]
)

NOTICE_TEXTS = pa.schema(
    [
        pa.field("text_sha256", pa.string()),
        pa.field("text", pa.large_string()),
        pa.field("expression", pa.string()),
        pa.field("copyrights", pa.list_(pa.string())),
    ]
)

LEDGER = pa.schema(
    [pa.field("content_id", pa.string()), pa.field("stage", pa.string()), pa.field("reason", pa.string())]
)
