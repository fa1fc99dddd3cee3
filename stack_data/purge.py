"""`data purge`: erases what has opted out from every file of a build that holds text, and from its older releases.

Erased are contents of which every place has opted out or is reserved in its repository; a content that others have too stays theirs.
`content`, signatures and copies of licence texts become null and rows stay, so that parts stay aligned with decisions, which are not
made again: manifests keep their hashes, and `purges/<number>.json` says what each file became. Releases lose the rows (release/removal.py)
and get a removal list for those who hold copies. Files that carry an opt-out (`.github/ai-opt-out` and the like) are kept: they are
why the rest stays out. To take an opt-out back after a purge means to fetch again (--anew fetch).

What a purge does not reach: copies of releases elsewhere, backups, and free blocks of the disk.
"""

from __future__ import annotations

import os
import shutil
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stack_data import manifest, signing, storage
from stack_data.build import reopen, write_report
from stack_data.decide_optout import run_optout
from stack_data.departures import erasable
from stack_data.fold import fold
from stack_data.layout import part_name
from stack_data.manifest import Manifest, Output
from stack_data.pipeline import STEPS, Run
from stack_data.progress import Progress
from stack_data.purges import NOT_PERMISSIVE, Purging, Record, records
from stack_data.registry import epochs
from stack_data.release.removal import remove
from stack_data.release.removal_list import publish, read


@dataclass(frozen=True, slots=True)
class Purge:
    """What a purge did. record: of the build, None when nothing was left to erase; releases: version -> its record."""

    record: Record | None
    releases: dict[str, Record]
    removals: tuple[Path, ...]

    @property
    def num_contents(self) -> int:
        """How many contents were erased from the build."""
        return len(self.record.content_ids) if self.record else 0


def purge(folder: Path, progress: Progress | None = None) -> Purge:
    """Erase everything that the lists in force and signals take out. Killed at any moment, it goes on when it is run again.

    Raises InputError for a folder that is no finished build, ConfigError when a removal list cannot be signed as its release states.
    """
    with storage.locked(folder):
        storage.remove_temporaries(folder)
        run = reopen(folder, progress=progress, but="optout")
        run_optout(run)
        shutil.rmtree(run.build.cache, ignore_errors=True)
        lists = [
            path for release in run.build.releases if (path := publish(run, release, signing.secret_in(os.environ)))
        ]
        releases = {}
        for path in lists:
            release = run.build.release(path.parent.name)
            found = read(path.read_bytes(), str(path), ())
            facts = {"epoch": found.header["epoch"], "lists": found.header["lists"]}
            record = remove(release, found.removal, facts)
            if record:
                releases[release.name] = record
        record = _erase(run)
        write_report(run, fold(run.build, run.config, run.parts()), run.lock.failures)
        run.progress.close()
        return Purge(record, releases, tuple(lists))


def outputs_of(run: Run) -> dict[str, Output]:
    """Return every file that the manifests of a build list."""
    paths = [run.build.group_manifest(group.name) for group in run.lock.groups]
    paths += [run.build.stage_manifest(step) for step in STEPS[1:-1]]
    made: list[Manifest] = [one for path in paths if (one := manifest.read_if_present(path))]
    return {name: output for one in made for name, output in one.outputs.items()}


def _erase(run: Run) -> Record | None:
    """Erase contents, signatures and licence texts from the build; return the record."""
    outputs, erased = outputs_of(run), erasable(run.build, run.parts())
    purging = Purging(run.build.folder)
    gone = erased.filter(pc.invert(pc.is_in(erased, pa.array(_tombstones(run), pa.string()))))
    if not len(gone) and not purging.was_stopped:
        return None
    purging.begin()
    run.progress.begin("purge", len(run.parts()), None)
    for path in _erase_license_texts(run, erased):
        purging.touched.add(run.build.relative(path))
    for _, part in run.parts():
        for path in _erase_part(run, part, erased):
            purging.touched.add(run.build.relative(path))
        run.progress.advance(1, 0)
    run.end_step()
    facts = {"lists": epochs(run.lists), "num_contents": len(gone), NOT_PERMISSIVE: _tainting(run)}
    return purging.record(outputs, erased.to_pylist(), facts)


def _tainting(run: Run) -> list[str]:
    """Return the contents that a leaving place shows under a licence that is not permissive.

    That evidence still counts when its licence file is erased and licences are decided anew.
    """
    found = [pa.array([], pa.string())]
    for _, part in run.parts():
        left = storage.read_parquet(run.build.decisions("optout", part), ["reason"])["reason"].is_valid()
        decided = storage.read_parquet(run.build.decisions("license", part), ["content_id", "license_type"])
        bad = pc.equal(decided["license_type"].cast(pa.string()), "non_permissive")
        found.append(decided["content_id"].filter(pc.and_(left, bad)).drop_null().combine_chunks())
    known = {one for record in records(run.build.folder) for one in record.facts.get(NOT_PERMISSIVE, ())}
    return sorted({*pa.concat_arrays(found).unique().to_pylist()} - known)


def _tombstones(run: Run) -> list[str]:
    return sorted({one for record in records(run.build.folder) for one in record.content_ids})


def _erase_part(run: Run, part: str, erased: pa.Array) -> Iterator[Path]:
    """Null the contents and signatures of a part; yield the files that changed."""
    for path, column in ((run.build.files(part), "content"), (run.build.decisions("signatures", part), "signature")):
        if not path.exists():
            continue
        known = storage.read_parquet(path, ["content_id", column])
        hit = pc.and_(pc.is_in(known["content_id"], erased), known[column].is_valid())
        if pc.any(hit).as_py():
            _rewrite(path, column, np.flatnonzero(hit.to_numpy()))
            yield path


def _rewrite(path: Path, column: str, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> None:
    """Rewrite a file with nulls in one column, a row group at a time."""
    schema, first = storage.read_schema(path), 0
    metadata = storage.read_metadata(path)
    with storage.writing_parquet(path, schema.remove_metadata(), metadata) as part:
        for group in storage.read_row_groups(path):
            mine = rows[(rows >= first) & (rows < first + group.num_rows)] - first
            first += group.num_rows
            if len(mine):
                keep = np.ones(group.num_rows, bool)
                keep[mine] = False
                index = group.schema.get_field_index(column)
                values = pc.if_else(pa.array(keep), group[column], pa.scalar(None, group[column].type))
                group = group.set_column(index, group.schema.field(column), values)
            part.write(group)


def _erase_license_texts(run: Run, erased: pa.Array) -> Iterator[Path]:
    """Null the copies of licence texts whose files are erased; yield the files that changed."""
    for group in run.lock.groups:
        path = run.build.decisions("license", f"{group.name}.notices")
        table = storage.read_parquet(path)
        files = _evidence_files(run, group.name, table["path"].combine_chunks().unique())
        names = zip(table["verdict"].to_pylist(), table["path"].to_pylist(), strict=True)
        ids = pa.array([files.get(name) for name in names], pa.string())
        hit = pc.and_(pc.and_(pc.is_in(ids, erased), ids.is_valid()), table["text"].combine_chunks().is_valid())
        if pc.any(hit).as_py():
            text, copyrights = (
                table["text"].cast(pa.large_string()).combine_chunks(),
                table["copyrights"].combine_chunks(),
            )
            blank = pc.if_else(hit, pa.scalar(None, text.type), text).dictionary_encode()
            table = table.set_column(2, table.schema.field("text"), blank.cast(table.schema.field("text").type))
            table = table.set_column(
                4, table.schema.field("copyrights"), pc.if_else(hit, pa.scalar([], copyrights.type), copyrights)
            )
            storage.write_parquet(path, table.replace_schema_metadata(None), storage.read_metadata(path))
            yield path


def _evidence_files(run: Run, group: str, paths: pa.Array) -> dict[tuple[int, str], str]:
    """Return the content id of each licence file by the verdicts that stand on it and its path."""
    repository_of: dict[int, int] = {}
    ids: dict[tuple[int, str], str] = {}
    for number in range(run.num_parts(group)):
        part = part_name(group, number)
        places = storage.read_parquet(run.build.provenance(part), ["content_id", "repository", "path"])
        verdicts = storage.read_parquet(run.build.decisions("license", part), ["verdict"])["verdict"].to_numpy()
        distinct, first = np.unique(verdicts, return_index=True)
        owners = places["repository"].to_numpy()
        repository_of |= dict(zip(distinct.tolist(), owners[first].tolist(), strict=True))
        chosen = places.filter(pc.and_(pc.is_in(places["path"], paths), places["content_id"].is_valid()))
        for row in chosen.to_pylist():
            ids[row["repository"], row["path"]] = row["content_id"]
    by_repository: dict[int, list[tuple[str, str]]] = defaultdict(list)
    for (repository, path), one in ids.items():
        by_repository[repository].append((path, one))
    return {
        (verdict, path): one
        for verdict, repository in repository_of.items()
        for path, one in by_repository.get(repository, ())
    }
