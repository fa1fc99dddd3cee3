"""The signal stage: which places their own repository reserves. Decisions aligned with provenance/.

Works on one source group at a time, because a repository may span its parts. Reads the paths of all places, the topics of
the repositories, and the texts of the signal files, which one RE2 pass finds. Python sees each signal file once, and
only repositories that have one. Signal files that were never read (empty, binary, too large) are known by their name.

Each place is judged by its own repository: a copy elsewhere is not reserved by it. In a dry run, signal files that were
not drawn count as unread.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stack_data.reasons import Reason
from stack_data.records import DECISION_FIELDS
from stack_data.signals import RULE_VERSION as SIGNAL_RULES
from stack_data.signals import candidates, reserved
from stack_data.signals.words import MAX_BYTES
from stack_data.stages.decisions import decision_columns

RULE_VERSION = SIGNAL_RULES
DECISIONS = pa.schema(DECISION_FIELDS)

TextReader = Callable[[Sequence[tuple[int, int]]], Sequence[str | None]]
"""Returns the texts of (file part, file row) pairs of the group; null for a content that was purged."""


@dataclass(frozen=True, slots=True)
class Places:
    """The places of a group and what belongs to them.

    provenance    content_id, file_part, file_row, repository, path of all its parts, concatenated: N rows
    repositories  rows of repositories/<group>.parquet; builds from before there were topics have no such column
    """

    provenance: pa.Table
    repositories: pa.Table
    read_texts: TextReader


def decide(places: Places) -> pa.Table:
    """Return the decision about each place: DECISIONS, N rows."""
    codes, details = _codes(places)
    told = pa.array(details, pa.string()).take(pa.array(codes, mask=codes < 0))
    ids = places.provenance["content_id"]
    columns = decision_columns(ids, np.where(codes >= 0, 0, -1), [Reason.RESERVED_IN_REPOSITORY], told)
    return pa.table(columns).cast(DECISIONS)


def _codes(places: Places) -> tuple[npt.NDArray[np.int32], list[str]]:
    """Return for each place the index of what reserves it, -1 without; and the details."""
    files, topics = _signal_files(places), _topics(places.repositories)
    paths, repositories = places.provenance["path"], places.provenance["repository"].to_numpy()
    order = np.argsort(repositories, kind="stable")
    codes = np.full(len(order), -1, np.int32)
    numbers: dict[str, int] = {}
    for repository in sorted(files.keys() | topics.keys()):
        signals = reserved(files.get(repository, {}), topics.get(repository, ()))
        if not signals:
            continue
        first, last = np.searchsorted(repositories, [repository, repository + 1], sorter=order)
        rows = order[first:last]
        found, details = signals.codes(paths.take(pa.array(rows)))
        # The last entry is for -1.
        global_codes = np.array([*(numbers.setdefault(one, len(numbers)) for one in details), -1], np.int32)
        codes[rows] = global_codes[found]
    return codes, list(numbers)


def _signal_files(places: Places) -> dict[int, dict[str, str | None]]:
    """Return the texts of the signal files by repository and path."""
    maybe = pc.indices_nonzero(pc.match_substring_regex(places.provenance["path"], candidates()))
    taken = places.provenance.select(["file_part", "file_row", "repository", "path"]).take(maybe)
    parts, rows = taken["file_part"].to_numpy(), taken["file_row"].to_numpy()
    texts: dict[tuple[int, int], str | None] = {}
    for part in np.unique(parts[rows >= 0]).tolist():
        # A part at a time, cut at once: hostile files may all be as large as files get.
        cells = [(part, row) for row in np.unique(rows[(parts == part) & (rows >= 0)]).tolist()]
        for cell, text in zip(cells, places.read_texts(cells), strict=True):
            texts[cell] = text and text[: MAX_BYTES + 1]
    found: dict[int, dict[str, str | None]] = defaultdict(dict)
    named = zip(taken["repository"].to_pylist(), taken["path"].to_pylist(), parts.tolist(), rows.tolist(), strict=True)
    for repository, path, part, row in named:
        found[repository][path] = texts.get((part, row))
    return found


def _topics(repositories: pa.Table) -> dict[int, list[str]]:
    if "topics" not in repositories.column_names:
        return {}
    column = repositories["topics"]
    stated = pc.indices_nonzero(pc.greater(pc.list_value_length(column), 0).fill_null(False))
    return dict(zip(stated.to_pylist(), column.take(stated).to_pylist(), strict=True))
