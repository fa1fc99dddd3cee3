"""The tables of a build as Arrow schemas: one place that fixes every column's name and type.

Reads and writes nothing. A part is one file in each of `files/`, `provenance/` and the decision folders with
the same name; rows of decisions are aligned with `files/` or with `provenance/`, as the stage says.
"""

from __future__ import annotations

import pyarrow as pa

FILES = pa.schema(
    [
        pa.field("content_id", pa.string(), nullable=False),
        pa.field("sha256", pa.string(), nullable=False),
        # Original bytes; null only after a purge.
        pa.field("content", pa.large_binary()),
        pa.field("num_bytes", pa.int64(), nullable=False),
        # How the bytes become `text` (stack_data/text.py).
        pa.field("encoding", pa.dictionary(pa.int8(), pa.string()), nullable=False),
        pa.field("conversion", pa.dictionary(pa.int8(), pa.string()), nullable=False),
        # Length of the text in UTF-8: that of a script where a notebook has megabytes of pictures.
        pa.field("text_bytes", pa.int64(), nullable=False),
        # Of a commit: the content ids of its file before and after, which share the fate of those contents; null for files.
        pa.field("sides", pa.list_(pa.string())),
    ]
)

COMMIT = "commit-1"
"""The `conversion` of contents that are commits, not files (stack_data/commits.py)."""

AUTHOR = pa.struct([pa.field("email_hash", pa.string()), pa.field("share", pa.float32())])

REPOSITORIES = pa.schema(
    [
        pa.field("source_kind", pa.string(), nullable=False),
        pa.field("host", pa.string(), nullable=False),
        pa.field("owner", pa.string(), nullable=False),
        pa.field("repo", pa.string(), nullable=False),
        pa.field("url", pa.string()),
        pa.field("owner_id", pa.int64()),
        pa.field("repo_id", pa.int64()),
        pa.field("root_commits", pa.list_(pa.string())),
        pa.field("first_commit_time", pa.string()),
        pa.field("host_time", pa.string()),
        pa.field("first_seen", pa.string()),
        pa.field("is_fork", pa.bool_()),
        pa.field("fork_of", pa.string()),
        pa.field("stars", pa.int64()),
        pa.field("aliases", pa.list_(pa.string())),
        # What the host shows as its topics: some of them reserve it (stack_data/signals).
        pa.field("topics", pa.list_(pa.string())),
        pa.field("declared_license", pa.string()),
        pa.field("declared_by", pa.string()),
        pa.field("audience", pa.string(), nullable=False),
        pa.field("authors_known", pa.bool_(), nullable=False),
        pa.field("key_id", pa.string()),
    ]
)

PROVENANCE = pa.schema(
    [
        # Null where the entry was never read (symlinks, too large, ...).
        pa.field("content_id", pa.string()),
        # Row of files/ that holds the content: number of the part inside this source, row inside that part; -1 without.
        pa.field("file_part", pa.int32(), nullable=False),
        pa.field("file_row", pa.int32(), nullable=False),
        # Row of repositories/<source>.parquet.
        pa.field("repository", pa.int32(), nullable=False),
        pa.field("revision", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("num_bytes", pa.int64(), nullable=False),
        pa.field("license", pa.string()),
        pa.field("authors", pa.list_(AUTHOR)),
    ]
)

ACTIONS = ("keep", "drop", "redact")
DECISION_FIELDS = [
    pa.field("content_id", pa.string()),
    pa.field("action", pa.dictionary(pa.int8(), pa.string()), nullable=False),
    pa.field("reason", pa.dictionary(pa.int16(), pa.string())),
    # A few words for people and `why`; never text of the file.
    pa.field("detail", pa.string()),
]

# Row-aligned with provenance/.
FETCH_DECISIONS = pa.schema(DECISION_FIELDS)

# Row-aligned with files/.
EXACT_DECISIONS = pa.schema([*DECISION_FIELDS, pa.field("kept_in", pa.string()), pa.field("kept_row", pa.int32())])

# Row-aligned with files/: what the content itself says about its licence.
HEADER_DECISIONS = pa.schema([*DECISION_FIELDS, pa.field("expression", pa.string()), pa.field("evidence", pa.string())])

# Row-aligned with files/. signature: little-endian uint32[permutations] as bytes, null without a shingle.
SIGNATURES = pa.schema(
    [
        pa.field("content_id", pa.string()),
        pa.field("num_shingles", pa.int32(), nullable=False),
        pa.field("signature", pa.binary()),
    ]
)

# clusters/edges.parquet: verified pairs, the better-ranked first, in order of rank. Jaccard similarity = shared / union.
EDGES = pa.schema(
    [
        pa.field("first_id", pa.string(), nullable=False),
        pa.field("second_id", pa.string(), nullable=False),
        pa.field("shared", pa.int32(), nullable=False),
        pa.field("union", pa.int32(), nullable=False),
    ]
)

# clusters/members.parquet: contents with an edge, in order of rank. cluster: number of the connected component; rank: place in
# the order of preference over all contents of the build, 0 the best.
MEMBERS = pa.schema(
    [
        pa.field("content_id", pa.string(), nullable=False),
        pa.field("cluster", pa.int64(), nullable=False),
        pa.field("rank", pa.int64(), nullable=False),
    ]
)

# Row-aligned with provenance/.
LICENSE_DECISIONS = pa.schema(
    [
        *DECISION_FIELDS,
        pa.field("expression", pa.string()),
        pa.field("license_type", pa.dictionary(pa.int8(), pa.string()), nullable=False),
        # Row of decisions/license/<source>.evidence.parquet: what the verdict was joined from.
        pa.field("verdict", pa.int32(), nullable=False),
    ]
)

# Row-aligned with provenance/.
LANGUAGE_DECISIONS = pa.schema(
    [
        *DECISION_FIELDS,
        pa.field("language", pa.dictionary(pa.int16(), pa.string())),
        pa.field("extension", pa.dictionary(pa.int32(), pa.string())),
        pa.field("is_vendor", pa.bool_(), nullable=False),
        pa.field("is_documentation", pa.bool_(), nullable=False),
        pa.field("is_generated", pa.bool_(), nullable=False),
    ]
)

# Row-aligned with provenance/: quality filters.
FILTER_DECISIONS = pa.schema(DECISION_FIELDS)

SPAN = pa.struct([pa.field("kind", pa.string()), pa.field("start", pa.int32()), pa.field("end", pa.int32())])
"""What is replaced: byte offsets into the text in UTF-8."""

# Row-aligned with files/. spans: ascending, not overlapping.
PII_DECISIONS = pa.schema([*DECISION_FIELDS, pa.field("spans", pa.list_(SPAN))])

FOUND = pa.struct(
    [
        pa.field("benchmark", pa.string()),
        pa.field("item", pa.string()),
        # prompt, docstring, solution or question.
        pa.field("part", pa.string()),
        # verbatim, reformatted or renamed.
        pa.field("how", pa.string()),
        # First line of it, from 1.
        pa.field("line", pa.int32()),
    ]
)
"""A part of a benchmark that occurs in a text."""

# Row-aligned with files/.
DECONTAMINATION_DECISIONS = pa.schema([*DECISION_FIELDS, pa.field("found", pa.list_(FOUND))])

# Row-aligned with files/. detail: the signature's name.
MALWARE_DECISIONS = pa.schema(DECISION_FIELDS)

# clusters/candidates/<part>.parquet, row-aligned with files/: kept by every step before near duplicates.
CANDIDATES = pa.schema([pa.field("is_candidate", pa.bool_(), nullable=False)])

# Row-aligned with provenance/: who left. `detail` says which signal, never who.
OPTOUT_DECISIONS = pa.schema(DECISION_FIELDS)
