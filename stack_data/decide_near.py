"""The near-duplicate steps of a build: signatures of every part, then edges, clusters and ranks over all of them.

`signatures` writes decisions/signatures/, aligned with files/, and spills the shingle sets; `near` reads the contents
that all steps before keep, and writes clusters/. Nothing is dropped here: the fold walks the edges (near/clusters.py), so
that an opt-out needs no new clusters. Every output depends on contents and decisions alone, never on parts or threads.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stack_data import storage
from stack_data.contents import take_contents
from stack_data.filters import profiles
from stack_data.manifest import Manifest, Output, Plan
from stack_data.near import bands, clusters, jaccard, shingles
from stack_data.near.spill import ShingleSpill
from stack_data.pipeline import STEPS, PartStage, Run, is_done, run_part_stage
from stack_data.records import CANDIDATES, COMMIT, EDGES, MEMBERS, SIGNATURES
from stack_data.rows import Candidates, candidates
from stack_data.text import RULE_VERSION as TEXT_RULES
from stack_data.text import TEXT_COLUMNS, texts_of

LOT_SHINGLES = 16 * 1024**2
"""Shingles that are mapped at a time to be compared: 128 MB."""
_RULES_KEY = "fairstack.shingles"
_RULES = f"{shingles.RULE_VERSION}.{TEXT_RULES}"
"""Comparisons made by other rules are not taken over."""


def run_near(run: Run) -> None:
    """Bring signatures and clusters up to date."""
    spill = ShingleSpill(run.build.clusters / ".spill")
    try:
        if run.config.near.enabled:
            run_part_stage(run, signature_stage(run, spill))
        _cluster(run, spill)
    except OSError as error:
        raise storage.refused(spill.folder, error) from error
    finally:
        spill.remove()


def load_kernels(texts: pa.Array) -> None:
    """Run every kernel once over a few texts."""
    signed = shingles.sign(texts, shingles.permutations())
    known = bands.Texts(signed.signatures, np.zeros(2, np.int64), signed.counts[[0, 0]].astype(np.int64))
    ends = np.array([len(signed.hashes)] * 2)

    def shared(first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
        return jaccard.shared(signed.hashes, np.zeros(2, np.int64), ends, first, second)

    edges = bands.find_edges(bands.band_keys(known, bands.Banding()), known, bands.Banding(), shared)
    clusters.walk(np.arange(2), np.ones(2, bool), edges.first, edges.second)
    clusters.components(2, edges.first, edges.second)


def signature_stage(run: Run, spill: ShingleSpill) -> PartStage:
    """Return the stage that signs the contents of each part."""
    config = run.config.near

    def decide(_group: str, part: str) -> pa.Table:
        return _sign_part(run, part, spill)

    return PartStage(
        "signatures", {"shingles": shingles.RULE_VERSION, "text": TEXT_RULES},
        {"permutations": config.permutations, "seed": config.seed}, lambda _group, part: [run.build.files(part)], decide,
        holds="signatures",
    )  # fmt: skip


def _sign_part(run: Run, part: str, spill: ShingleSpill) -> pa.Table:
    """Return the signatures of a part and spill its shingles."""
    using = shingles.permutations(run.config.near.permutations, run.config.near.seed)
    tables, hashes = [SIGNATURES.empty_table()], []
    for rows in storage.read_row_groups(run.build.files(part), ["content_id", *TEXT_COLUMNS]):
        signed = shingles.sign(_files_only(rows), using)
        hashes.append(signed.hashes)
        tables.append(_signature_table(rows["content_id"], signed))
    spill.append(np.concatenate(hashes) if hashes else np.empty(0, np.uint64), part)
    return pa.concat_tables(tables)


def _files_only(rows: pa.Table) -> pa.Array:
    """Return the texts of rows, empty for commits: before and after are near to each other and to the file, and are meant to be."""
    texts, is_commit = texts_of(rows), pc.equal(rows["conversion"].cast(pa.string()), COMMIT).combine_chunks()
    return pc.if_else(is_commit, pa.scalar("", texts.type), texts) if pc.any(is_commit).as_py() else texts


def _signature_table(ids: pa.ChunkedArray, signed: shingles.Signed) -> pa.Table:
    size = 4 * signed.signatures.shape[1]
    data = pa.py_buffer(np.ascontiguousarray(signed.signatures, "<u4"))
    whole = pa.Array.from_buffers(pa.binary(size), len(signed.counts), [None, data])
    present = pa.array(signed.counts > 0)
    signatures = pc.if_else(present, whole, pa.scalar(None, pa.binary(size))).cast(pa.binary())
    return pa.table({"content_id": ids, "num_shingles": signed.counts, "signature": signatures}).cast(SIGNATURES)


def _cluster(run: Run, spill: ShingleSpill) -> None:
    build, config = run.build, run.config.near
    inputs = [build.group_manifest(group.name) for group in run.lock.groups]
    inputs += [
        build.stage_manifest(step) for step in STEPS[1 : STEPS.index("near")] if build.stage_manifest(step).exists()
    ]
    plan = Plan(
        kind="clusters", inputs={build.relative(path): storage.sha256_file(path) for path in inputs},
        config=config.model_dump(mode="json", exclude={"memory_bytes"}) 
        | {"places": run.config.license.places, "language_bytes": profiles.budgets(run.config.filter)},
        rules={"bands": bands.RULE_VERSION, "shingles": shingles.RULE_VERSION},
    )  # fmt: skip
    if is_done(run, "near", plan):
        return
    run.progress.begin("near", config.bands if config.enabled else None, None)
    found = candidates(build, run.config, run.parts())
    nothing = (MEMBERS.empty_table(), EDGES.empty_table(), EDGES.empty_table())
    tables, counts = _find(run, found, spill) if config.enabled else (nothing, {})
    counts["over_budget"] = found.over_budget
    outputs = _write_candidates(run, found)
    for path, table in zip((build.members, build.edges, build.apart), tables, strict=True):
        storage.write_parquet(path, table, {_RULES_KEY: _RULES})
        outputs[build.relative(path)] = Output.of(path, "none")
    Manifest(plan.to_json(), outputs, counts).write(build.stage_manifest("near"))
    run.end_step()


def _write_candidates(run: Run, found: Candidates) -> dict[str, Output]:
    """Say of every part which contents are kept so far: what later steps are asked about."""
    outputs = {}
    for number, part in enumerate(found.parts):
        path, is_candidate = run.build.candidates(part), np.zeros(storage.num_rows(run.build.files(part)), bool)
        is_candidate[found.row[found.part == number]] = True
        storage.write_parquet(path, pa.table({"is_candidate": is_candidate}).cast(CANDIDATES), {})
        outputs[run.build.relative(path)] = Output.of(path, "none")
    for path in run.build.candidates("x").parent.glob("*.parquet"):
        if run.build.relative(path) not in outputs:
            path.unlink()
    return outputs


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The texts that are compared, best first.

    part, row   where each lies: number in `parts`, row
    begin, end  where its shingles lie in the spill; begin -1 where they are not there
    """

    texts: bands.Texts
    ids: pa.Array
    rank: npt.NDArray[np.int64]
    parts: list[str]
    part: npt.NDArray[np.int64]
    row: npt.NDArray[np.int64]
    begin: npt.NDArray[np.int64]
    end: npt.NDArray[np.int64]


def _find(
    run: Run, found: Candidates, spill: ShingleSpill
) -> tuple[tuple[pa.Table, pa.Table, pa.Table], dict[str, int]]:
    config = run.config.near
    chosen = _choose(run, found, spill)
    banding = bands.Banding(config.bands, config.rows, config.threshold)
    shape = (config.bands, len(chosen.texts))
    room = None
    if 8 * shape[0] * shape[1] > config.memory_bytes:
        room = spill.room("bands.u64", shape)
    keys = bands.band_keys(chosen.texts, banding, room)
    spill.forget()

    def shared(first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
        _load_shingles(run, chosen, spill, np.concatenate([first, second]))
        hashes = spill.hashes()
        counted = []
        for lot in _lots(chosen.texts.counts[first] + chosen.texts.counts[second]):
            # Lots bound the pages that comparisons hold at a time, not only the memory that is ours.
            cuts = np.linspace(lot.start, lot.stop, run.workers + 1 if lot.stop - lot.start > 1000 else 2).astype(int)
            counted += run.each(
                lambda ends: jaccard.shared(
                    hashes, chosen.begin, chosen.end, first[ends[0] : ends[1]], second[ends[0] : ends[1]]
                ),
                list(itertools.pairwise(cuts.tolist())),
            )
            spill.forget()
        return np.concatenate([np.empty(0, np.int32), *counted])

    def banded() -> None:
        spill.forget()
        run.progress.advance(1, 0)

    compared = bands.find_edges(keys, chosen.texts, banding, shared, _earlier(run, chosen), run.workers, banded)
    edges = compared.near()
    counts = {
        "texts": len(chosen.texts), "compared": len(compared.first), "edges": len(edges.first), "remainder": compared.remainder,
    }  # fmt: skip
    return (_members(chosen, edges), _edges(chosen, edges), _edges(chosen, compared.apart())), counts


def _lots(shingles_of: npt.NDArray[np.int64]) -> Iterator[slice]:
    """Yield slices of pairs that hold about LOT_SHINGLES shingles each."""
    number = np.cumsum(shingles_of) // LOT_SHINGLES
    ends = [*(np.flatnonzero(np.diff(number)) + 1).tolist(), len(number)]
    yield from (slice(begin, end) for begin, end in itertools.pairwise([0, *ends]))


def _earlier(run: Run, chosen: _Chosen) -> bands.Comparisons | None:
    """Return the comparisons that an earlier run of this step made among the same contents."""
    tables = [
        storage.read_parquet(path, ["first_id", "second_id", "shared"])
        for path in (run.build.edges, run.build.apart)
        if (storage.read_metadata(path) or {}).get(_RULES_KEY) == _RULES
    ]
    if not tables or not len(chosen.ids):
        return None
    table = pa.concat_tables(tables)
    first, second = (
        pc.index_in(table[name], chosen.ids).fill_null(-1).to_numpy().astype(np.int64)
        for name in ("first_id", "second_id")
    )
    here = (first >= 0) & (second >= 0)
    return bands.Comparisons(first[here], second[here], table["shared"].to_numpy().astype(np.int64)[here])


def _load_shingles(run: Run, chosen: _Chosen, spill: ShingleSpill, texts: npt.NDArray[np.int64]) -> None:
    """Bring the shingle sets of texts into the spill, those that are not there."""
    missing = np.unique(texts)
    missing = missing[chosen.begin[missing] < 0]
    using = shingles.permutations(run.config.near.permutations, run.config.near.seed)
    for number in np.unique(chosen.part[missing]).tolist():
        mine = missing[chosen.part[missing] == number]
        mine = mine[np.argsort(chosen.row[mine])]
        contents = take_contents(run.build, chosen.parts[number], chosen.row[mine])
        hashes = shingles.sign(texts_of(contents), using).hashes
        counts = chosen.texts.counts[mine]
        ends = spill.append(hashes) + np.cumsum(counts)
        chosen.begin[mine], chosen.end[mine] = ends - counts, ends


def _choose(run: Run, found: Candidates, spill: ShingleSpill) -> _Chosen:
    """Load what is needed of the candidates with enough shingles; signatures go to one file beside the shingles."""
    width = run.config.near.permutations
    kept_rows, counts, begins = [np.empty(0, np.int64)], [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    spill.folder.mkdir(parents=True, exist_ok=True)
    with spill.signatures_path.open("wb") as file:
        for number, part in enumerate(found.parts):
            mine = np.flatnonzero(found.part == number)
            signed = storage.read_parquet(run.build.decisions("signatures", part), ["num_shingles", "signature"])
            sizes = signed["num_shingles"].to_numpy().astype(np.int64)
            enough = mine[sizes[found.row[mine]] >= run.config.near.min_shingles]
            if not len(enough):
                continue
            start, rows = spill.start(part), found.row[enough]
            taken = signed["signature"].take(pa.array(rows)).combine_chunks()
            file.write(
                taken.buffers()[2][: 4 * width * len(taken)]
            )  # a taken array has its values in its own buffer, in order
            kept_rows.append(enough)
            counts.append(sizes[rows])
            begins.append(np.full(len(rows), -1) if start is None else start + (np.cumsum(sizes) - sizes)[rows])
    chosen = np.concatenate(kept_rows)
    order = np.argsort(found.rank[chosen])
    count, begin, rows = np.concatenate(counts)[order], np.concatenate(begins)[order], chosen[order]
    return _Chosen(
        bands.Texts(spill.signatures(width), order, count), found.ids.take(pa.array(rows)), found.rank[rows], found.parts,
        found.part[rows], found.row[rows], begin, np.where(begin < 0, -1, begin + count),
    )  # fmt: skip


def _members(chosen: _Chosen, edges: bands.Edges) -> pa.Table:
    """Return the contents with an edge; clusters are numbered in order of their best member."""
    component = clusters.components(len(chosen.texts), edges.first, edges.second)
    present = np.unique(np.concatenate([edges.first, edges.second]))
    cluster = np.unique(component[present], return_inverse=True)[1]
    return pa.table(
        {"content_id": chosen.ids.take(pa.array(present)), "cluster": cluster, "rank": chosen.rank[present]}
    ).cast(MEMBERS)


def _edges(chosen: _Chosen, edges: bands.Edges) -> pa.Table:
    return pa.table(
        {
            "first_id": chosen.ids.take(pa.array(edges.first)), "second_id": chosen.ids.take(pa.array(edges.second)),
            "shared": edges.shared, "union": edges.union,
        }
    ).cast(EDGES)  # fmt: skip
