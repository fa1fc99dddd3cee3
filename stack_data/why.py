"""`data why`: what happened to a file, step by step, with the evidence. Joins decisions; writes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from stack_data import storage
from stack_data.build import check_finished
from stack_data.config_file import load_resolved
from stack_data.errors import InputError
from stack_data.fold import fold
from stack_data.layout import Build
from stack_data.manifest import read_if_present
from stack_data.pipeline import CONTENT_STEPS, parts_of
from stack_data.reasons import BY_VALUE, Reason
from stack_data.rows import CONTENT_REASONS, PLACE_STAGES

MAX_CONTENTS = 20
_STAGES = ("fetch", *PLACE_STAGES, "optout")


def why(folder: Path, query: str) -> list[dict[str, Any]]:
    """Return what is known of each content that `query` names: a content_id, its first digits, or a path.

    Raises InputError when nothing in the build has that name.
    """
    check_finished(folder)
    build = Build.open(folder)
    parts = parts_of(build)
    places = [place for group, part in parts for place in _places(build, group, part, query)]
    if not places:
        raise InputError(f"{query!r} is no content_id and no path in {folder}; paths are spelled as in the source")
    by_content: dict[str, list[dict[str, Any]]] = {}
    for place in places:
        by_content.setdefault(place["content_id"] or f"(not read) {place['path']}", []).append(place)
    tainted = _tainted(build, parts, set(by_content))
    near = _near(build, parts, set(by_content))
    late, single = _late(build, parts, set(by_content)), _single(build, parts, set(by_content))
    return [
        _story(content, found, tainted, late.get(content), near.get(content)) | {"content": single.get(content, {})}
        for content, found in list(by_content.items())[:MAX_CONTENTS]
    ]


def _places(build: Build, group: str, part: str, query: str) -> Iterator[dict[str, Any]]:
    table = storage.read_parquet(build.provenance(part))
    wanted = pc.equal(table["path"], query)
    if len(query) >= 4 and all(digit in "0123456789abcdef" for digit in query.lower()):
        wanted = pc.or_kleene(wanted, pc.starts_with(table["content_id"], query.lower()))
    rows = pc.indices_nonzero(wanted.fill_null(False)).to_pylist()
    if not rows:
        return
    repositories = storage.read_parquet(build.repositories(group)).to_pylist()
    decided = {
        stage: storage.read_parquet(build.decisions(stage, part)).take(rows).to_pylist()
        for stage in _STAGES
        if build.decisions(stage, part).exists()
    }
    for index, place in enumerate(table.take(rows).to_pylist()):
        owner = repositories[place["repository"]]
        yield {
            "content_id": place["content_id"], "path": place["path"], "num_bytes": place["num_bytes"],
            "repository": "/".join(owner[key] for key in ("host", "owner", "repo")), "revision": place["revision"],
            "group": group, **{stage: rows_of[index] for stage, rows_of in decided.items()},
            "evidence": _evidence(build, group, decided, index),
        }  # fmt: skip


def _evidence(build: Build, group: str, decided: dict[str, list[dict[str, Any]]], index: int) -> list[dict[str, Any]]:
    if "license" not in decided:
        return []
    verdicts = storage.read_parquet(build.decisions("license", f"{group}.verdicts"), ["evidence"])["evidence"]
    found: list[dict[str, Any]] = json.loads(verdicts[decided["license"][index]["verdict"]].as_py())
    return found


def _tainted(build: Build, parts: list[tuple[str, str]], ids: set[str]) -> set[str]:
    """Return those contents that occur anywhere under a licence known to be not permissive."""
    config = storage.read_json(build.config)
    if config["license"]["places"] != "all":
        return set()
    found: set[str] = set()
    for _, part in parts:
        path = build.decisions("license", part)
        if path.exists():
            table = storage.read_parquet(path, ["content_id", "license_type"])
            bad = table.filter(pc.equal(table["license_type"].cast("string"), "non_permissive"))["content_id"]
            found |= ids.intersection(bad.to_pylist())
    return found


def _late(build: Build, parts: list[tuple[str, str]], ids: set[str]) -> dict[str, str]:
    """Return the reason of those contents that no decision about a place drops: over a language's budget, a benchmark, purged."""
    made = read_if_present(build.stage_manifest("near"))
    counts = [one.counts["reasons"] for one in map(read_if_present, map(build.stage_manifest, CONTENT_STEPS)) if one]
    left_out = any(reason.value in found for found in counts for reason in CONTENT_REASONS)
    if not build.purges.exists() and not left_out and (not made or not made.counts.get("over_budget")):
        return {}
    dropped = fold(build, load_resolved(build.config), parts).dropped
    reasons = (Reason.LICENSE_ELSEWHERE, Reason.LANGUAGE_OVER_BUDGET, Reason.PURGED, *CONTENT_REASONS)
    late = pa.array([one.value for one in reasons])
    chosen = dropped.filter(pc.is_in(dropped["reason"].cast(pa.string()), late))
    found = zip(chosen["content_id"].to_pylist(), chosen["reason"].to_pylist(), strict=True)
    return {content: reason for content, reason in found if content in ids}


def _single(build: Build, parts: list[tuple[str, str]], ids: set[str]) -> dict[str, dict[str, Any]]:
    """Return what the steps about single contents found in each: content id -> step -> its decision."""
    found: dict[str, dict[str, Any]] = {}
    for step in CONTENT_STEPS:
        for path in (build.decisions(step, part) for _, part in parts):
            table = storage.read_parquet(path)
            hit = pc.and_(pc.is_in(table["content_id"], pa.array(sorted(ids))), table["reason"].is_valid())
            for row in table.filter(hit).to_pylist():
                found.setdefault(row.pop("content_id"), {})[step] = row
    return found


def _near(build: Build, parts: list[tuple[str, str]], ids: set[str]) -> dict[str, dict[str, Any]]:
    """Return what each content is a near duplicate of: {"cluster", "beside", "similarity"}; beside: None when it is kept."""
    if not build.members.exists():
        return {}
    members = storage.read_parquet(build.members)
    found = members.filter(pc.is_in(members["content_id"], pa.array(sorted(ids)))).to_pylist()
    if not found:
        return {}
    joined = fold(build, load_resolved(build.config), parts)
    near = joined.near.filter(joined.near["is_beside"])
    kept = joined.kept["content_id"].take(near["kept_row"]).to_pylist()
    beside = dict(zip(near["content_id"].to_pylist(), kept, strict=True))
    edges = storage.read_parquet(build.edges)
    touching = edges.filter(pc.is_in(edges["second_id"], pa.array(sorted(ids)))).to_pylist()
    similarity = {(one["first_id"], one["second_id"]): one["shared"] / one["union"] for one in touching}
    return {
        one["content_id"]: {
            "cluster": one["cluster"], "beside": beside.get(one["content_id"]),
            "similarity": similarity.get((beside.get(one["content_id"], ""), one["content_id"])),
        }
        for one in found
    }  # fmt: skip


def _story(
    content: str, places: list[dict[str, Any]], tainted: set[str], late: str | None, near: dict[str, Any] | None
) -> dict[str, Any]:
    kept = [place for place in places if not _reason(place)]
    if not kept:
        decision, reason = "drop", _reason(places[0])
    elif content in tainted:
        decision, reason = "drop", "license_elsewhere"
    elif near and near["beside"]:
        decision, reason = "drop", "near_duplicate"
    elif late:
        decision, reason = "drop", late
    else:
        decision, reason = "keep", None
    return {"content_id": content, "decision": decision, "reason": reason, "near": near, "places": places}


def _reason(place: dict[str, Any]) -> str | None:
    for stage in _STAGES:
        reason = place.get(stage, {}).get("reason")
        if reason:
            return str(reason)
    return None


def explain(story: dict[str, Any]) -> str:
    """Return a story as text for people."""
    verdict = "kept" if story["decision"] == "keep" else f"dropped: {story['reason']}"
    lines = [f"{story['content_id']}  {verdict}"]
    if story["reason"]:
        lines.append(f"  {BY_VALUE[story['reason']].meaning}")
    if story["near"]:
        lines.append(f"  {_near_line(story['near'])}")
    lines += [f"  {line}" for line in _content_lines(story["content"])]
    for place in story["places"]:
        lines.append(f"  {place['repository']} {place['revision']}: {place['path']}")
        lines += [f"    {line}" for line in _place_lines(place)]
    return "\n".join(lines)


def _content_lines(found: dict[str, Any]) -> Iterator[str]:
    """Yield what was found in the content itself."""
    for one in found.get("decontamination", {}).get("found") or ():
        yield f"benchmark: {one['benchmark']} {one['item']}, its {one['part']}, {one['how']}, from line {one['line']}"
    if "malware" in found:
        yield f"malware: {found['malware']['detail']}"
    if "pii" in found:
        yield f"redacted: {found['pii']['detail']}"


def _near_line(near: dict[str, Any]) -> str:
    if near["beside"]:
        return f"near duplicates, cluster {near['cluster']}: similarity {near['similarity']:.2f} to {near['beside']}, which is kept"
    return f"near duplicates, cluster {near['cluster']}: the best of those it has an edge to"


def _in_file(evidence: dict[str, Any]) -> str:
    """Return which file or pattern a curation is about, where it is about one."""
    where = evidence.get("path") or ", ".join(evidence.get("files", ()))
    return f" in {where}" if where else ""


def _place_lines(place: dict[str, Any]) -> Iterator[str]:
    fetched = place.get("fetch", {})
    if fetched.get("reason"):
        yield f"fetch: {fetched['reason']} {fetched.get('detail') or ''}".rstrip()
        return
    decided = place.get("license", {})
    state = decided.get("reason") or "permissive"
    yield f"license: {decided.get('expression') or 'none'} ({state}{': ' + decided['detail'] if decided.get('detail') else ''})"
    for one in place["evidence"]:
        if one["method"] == "curation":
            yield f"  curation {one.get('expression') or '(denied)'}" + _in_file(one) + f": {one['detail']}"
            continue
        where = one.get("path") or ("the sources" if one["method"] == "declared" else "the file itself")
        yield f"  {one['method']} {one.get('expression') or 'unknown'} in {where}" + (
            f": {one['detail']}" if one.get("detail") else ""
        )
    language = place.get("language", {})
    marks = [name[3:] for name in ("is_vendor", "is_documentation", "is_generated") if language.get(name)]
    yield f"language: {language.get('language') or 'unknown'}" + (f" ({', '.join(marks)})" if marks else "")
    for stage, name in (("filter", "filter"), ("optout", "opt-out")):
        dropped = place.get(stage, {})
        if dropped.get("reason"):
            yield f"{name}: {dropped['reason']}" + (f": {dropped['detail']}" if dropped.get("detail") else "")
