"""The dataset card: README.md with a YAML header that `datasets` reads, generated from the release alone."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stack_data.config import BuildConfig, FilterConfig, NearConfig
from stack_data.counting import counted
from stack_data.decide_optout import unread
from stack_data.decide_recheck import last_check
from stack_data.fold import Fold
from stack_data.pipeline import Run
from stack_data.registry import epochs
from stack_data.release.measures import Measures, measures_of
from stack_data.release.shards import COMMITS, Assignment
from stack_data.release.sources import ReleaseRows
from stack_data.release.tables import DATA
from stack_data.report.attrition import attrition_table, human_bytes
from stack_data.reviewed import Review, reviews

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"),
          (10_000_000, "1M<n<10M"), (100_000_000, "10M<n<100M"), (1_000_000_000, "100M<n<1B"))  # fmt: skip
TOP_ROWS = 30


@dataclass(frozen=True, slots=True)
class Count:
    """Files and bytes of one language, licence or split."""

    name: str
    num_files: int
    num_bytes: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What the documents of a release say. `configs`: slug -> (language name, splits)."""

    config: BuildConfig
    date: str
    fold: Fold
    num_files: int
    num_bytes: int
    num_repositories: int
    languages: tuple[Count, ...]
    licenses: tuple[Count, ...]
    splits: tuple[Count, ...]
    configs: dict[str, tuple[str, tuple[str, ...]]]
    p: float
    lists: dict[str, int]
    changes: dict[str, Any]
    review: Review | None
    last_check: str
    never_read: int
    measures: Measures


def facts_of(run: Run, fold: Fold, rows: ReleaseRows, assignment: Assignment, changes: dict[str, Any]) -> Facts:
    """Collect the facts of a release. changes: what it has that its parent has not (parent.reasons_of)."""
    config, date = run.config, run.lock.date
    kept = rows.kept
    sizes = kept["text_bytes"]
    splits = pa.array([shard.split for shard in assignment.shards]).take(pa.array(assignment.shard))
    languages = pc.if_else(kept["is_commit"], "Git commits", kept["language"].cast(pa.string()))
    names = dict(
        zip((assignment.shards[row].slug for row in assignment.shard.tolist()), languages.to_pylist(), strict=True)
    )
    found: dict[str, set[str]] = defaultdict(set)
    for shard in assignment.shards:
        found[shard.slug].add(shard.split)
    return Facts(
        config, date, fold, kept.num_rows, int(np.sum(sizes.to_numpy())), len(np.unique(rows.place_repository)),
        _counts(languages, sizes), _counts(kept["expression"], sizes), _counts(splits, sizes),
        {slug: (names[slug], tuple(sorted(found[slug]))) for slug in sorted(found)}, assignment.p,
        epochs(run.lists), changes, reviews(run.build.folder, config.release.version), last_check(run),
        len(unread(run)), measures_of(run, fold),
    )  # fmt: skip


def _counts(names: pa.Array | pa.ChunkedArray, sizes: pa.ChunkedArray) -> tuple[Count, ...]:
    grouped = pa.table({"name": names, "size": sizes}).group_by("name").aggregate([("size", "count"), ("size", "sum")])
    ordered = grouped.take(pc.sort_indices(grouped, [("size_sum", "descending"), ("name", "ascending")]))
    return tuple(Count(row["name"], row["size_count"], row["size_sum"]) for row in ordered.to_pylist())


def card(facts: Facts) -> str:
    """Return the text of README.md."""
    return "\n".join(["---", *_header(facts), "---", "", *_body(facts), ""])


def _header(facts: Facts) -> list[str]:
    size = next((name for limit, name in _SIZES if facts.num_files < limit), "n>1B")
    lines = [
        f"pretty_name: {json.dumps(facts.config.release.title)}", "license: other", "license_name: per-file",
        "annotations_creators: [machine-generated]", "language_creators: [found]", "language: [code]",
        "task_categories: [text-generation]", "tags: [code, permissive, opt-out, provenance]",
        f"size_categories: [{size}]", "configs:", "- config_name: default", "  default: true", "  data_files:",
    ]  # fmt: skip
    for split in sorted({split for _, splits in facts.configs.values() for split in splits}):
        lines += [f"  - split: {split}", "    path:"]
        lines += [
            f"    - data/{slug}/{split}-*.parquet"
            for slug, (_, splits) in facts.configs.items()
            # Commits are no files: who wants them asks for them.
            if split in splits and (slug != COMMITS or len(facts.configs) == 1)
        ]
    for slug, (_, splits) in facts.configs.items():
        lines += [f"- config_name: {slug}", "  data_files:"]
        for split in splits:
            lines += [f"  - split: {split}", f"    path: data/{slug}/{split}-*.parquet"]
    return lines


def _body(facts: Facts) -> list[str]:
    release = facts.config.release
    tiers = ", ".join(tier.title() for tier in facts.config.license.tiers)
    return [
        f"# {release.title}", "",
        f"Version {release.version} of `{facts.config.name}`, {facts.date}: **{counted(facts.num_files, 'file')}, "
        f"{human_bytes(facts.num_bytes)}** from {facts.num_repositories:,} repositories and packages, in "
        f"{len(facts.configs.keys() - {COMMITS})} languages. Every file stands under a licence that was found and is permissive; "
        "no licence found means out.", "",
        "```python", "import datasets", "", 'data = datasets.load_dataset("PATH")            # every language',
        f'data = datasets.load_dataset("PATH", "{next(iter(facts.configs))}")', "```", "",
        "## Languages", "", *_table("Language", facts.languages), "", "## Licences", "",
        f"Allowed are the Blue Oak Council's tiers {tiers}"
        + (f", and {', '.join(facts.config.license.allow)}" if facts.config.license.allow else "")
        + (f", without {', '.join(facts.config.license.deny)}" if facts.config.license.deny else "")
        + ". A file's licence is joined from all evidence: SPDX tags, notices and texts in its own header, licence files "
        "and manifests up its tree. Licence texts are compared word by word with SPDX's templates; an altered text is "
        "unknown, and unknown is out. `notices/` and `NOTICE/` hold the licence texts and copyright lines of what is here.",
        "", *_table("Licence", facts.licenses), "", *_review(facts.review), "", "## Filters", "", _filters(facts.config.filter), "", "## Splits", "",
        *_splits(facts), "", "## What was left out", "",
        "```", attrition_table(facts.fold), "```", "",
        "`ledger/` lists by `content_id`, with stage and reason, every content that was read as text and then dropped. Entries "
        "that were not (binary, too large, empty, links) and exact duplicates of what is kept are counted above.", "",
        *_changes(facts), "## Fields", "", *_fields(), "", "## Your code, and leaving", "", *_leaving(facts), "",
        "## Limits", "",
        "Licences are read, not judged by a lawyer; a repository that states a licence it had no right to state is not "
        "noticed. Code has authors' names in copyright lines, which permissive licences require to keep. "
        + _near(facts.config.near),
        "", "## Personal data, secrets, benchmarks and malware", "", *_paragraphs(facts.measures.sentences()),
        "## Evidence and corrections", "",
        "Every place of every file is in `provenance/`, its licence texts and copyright lines in `notices/`. Whoever has the build "
        "gets the evidence of one file, step by step, from `fairstack data why BUILD CONTENT_ID`, and corrects a licence by a curation "
        "with name, reason and date; the next release follows. Whoever finds a mistake asks the contact above. `eu-summary.md` has "
        "what the template for the public summary of training content (Regulation (EU) 2024/1689) asks of a data set.",
        "", "## Checking this release", "",
        "`fairstack data verify PATH` rehashes every file against `manifest.json`, decodes every row and recomputes every "
        "`content_id` and `text_sha256` that can be recomputed from the text.",
    ]  # fmt: skip


_PROFILES = {
    "starcoder2": "the rules of StarCoder2 (arXiv 2402.19173)",
    "the-stack": "the rules of The Stack's first version and StarCoder (arXiv 2211.15533)",
    "none": "none",
}


def _filters(filters: FilterConfig) -> str:
    own = {**filters.model_dump(exclude_none=True, exclude={"profile", "languages"})}
    own |= {f"{name}: {rule}": value for name, rules in filters.languages.items()
            for rule, value in rules.model_dump(exclude_none=True).items()}  # fmt: skip
    changed = "; ".join(f"{rule} = {value}" for rule, value in own.items())
    told = f"Profile `{filters.profile}`: {_PROFILES[filters.profile]}" + (f", with {changed}" if changed else "")
    return told + ". Notebooks are released as scripts (`conversion`). What each rule left out is counted below."


def _paragraphs(sentences: Sequence[str]) -> list[str]:
    return [line for sentence in sentences for line in (sentence, "")]


def _near(near: NearConfig) -> str:
    if not near.enabled:
        return "Near duplicates were not looked for."
    return (
        f"Of files with an exact Jaccard similarity of {near.threshold:g} or more over their 5-token shingles the better-ranked "
        f"one is kept; {near.bands} bands of {near.rows} find most of these pairs, not all."
    )


def _table(title: str, counts: tuple[Count, ...]) -> list[str]:
    lines = [f"| {title} | Files | Size |", "|---|---:|---:|"]
    lines += [f"| {one.name} | {one.num_files:,} | {human_bytes(one.num_bytes)} |" for one in counts[:TOP_ROWS]]
    rest = counts[TOP_ROWS:]
    if rest:
        files, size = sum(one.num_files for one in rest), sum(one.num_bytes for one in rest)
        lines.append(f"| {len(rest)} more | {files:,} | {human_bytes(size)} |")
    return lines


def _splits(facts: Facts) -> list[str]:
    lines = [f"- `{one.name}`: {counted(one.num_files, 'file')}, {human_bytes(one.num_bytes)}" for one in facts.splits]
    if facts.p:
        lines.append(
            f"\nWhole repositories are drawn for validation with p = {facts.p:g}; a file that also occurs in a repository "
            "that is not drawn is in `train`."
        )
    else:
        lines.append("\nThere is no validation split: no draw of whole repositories holds enough bytes of so few.")
    return lines


_MEANINGS = {
    "content_id": "git blob SHA-1 of the original bytes", "content": "the text", "path": "path in the displayed repository",
    "repo_name": "owner/repository, `-` for packages without owner", "host": "where the repository lives",
    "revision_id": "commit or version", "language": "Linguist's name", "detected_licenses": "SPDX ids that cover the file",
    "length_bytes": "bytes of the text in UTF-8", "num_provenances": "kept places of this content, see `provenance/`",
    "near_duplicate_cluster": "number of its cluster of near duplicates, null in none", "sha256": "of the original bytes",
    "text_sha256": "of the text in UTF-8", "encoding": "of the original bytes",
    "conversion": "how bytes became text, empty for plain decoding", "license_type": "always `permissive`",
    "avg_line_length": "in characters", "max_line_length": "in characters",
    "alphanum_fraction": "share of alphanumeric characters", "source_kind": "which kind of source it was read from",
    "star_events_count": "stars of the displayed repository, null where unknown",
    "num_redactions": "personal data and secrets that were replaced in `content`",
}  # fmt: skip


def _fields() -> list[str]:
    lines = ["| Field | Type | Meaning |", "|---|---|---|"]
    return lines + [f"| `{field.name}` | {field.type} | {_MEANINGS.get(field.name, '')} |" for field in DATA]


def _review(review: Review | None) -> list[str]:
    """Say what people found in a sample, and which unknown licence texts cost most."""
    if review is None:
        return ["No sample of this corpus has been read by people (`fairstack data review`)."]
    lines = [review.sentence()]
    if review.unknown:
        lines += [
            "",
            "Licence texts that kept most out when that sample was read, by the hash that a curation names:",
            "",
        ]
        lines += ["| Text (SHA-256) | Files | Size |", "|---|---:|---:|"]
        lines += [f"| `{name}` | {files:,} | {human_bytes(size)} |" for name, files, size in review.unknown]
    return lines


_LEFT = {
    "opted_out": "opted out",
    "reserved_in_repository": "reserved in the repository itself",
    "source_gone": "gone from its host, or made private",
    "purged": "erased earlier",
}


def _leaving(facts: Facts) -> list[str]:
    """Say what share left and how anybody can see that something did."""
    left = facts.fold.departures
    rows = [
        f"| {name} | {one.number:,} | {one.of:,} | {one.fraction:.2%} |"
        for name, one in (
            ("Files", left.files),
            ("Bytes", left.num_bytes),
            ("Owners", left.owners),
            ("Repositories", left.repositories),
        )
    ]
    lists = ", ".join(f"`{issuer}` epoch {epoch}" for issuer, epoch in facts.lists.items()) or "none"
    reasons = (
        "; ".join(f"{counted(files, 'file')} {_LEFT[reason.value]}" for reason, files, _ in left.reasons)
        or "nothing left"
    )
    return [
        _contact(facts.config.release.contact), "",
        f"Suppression lists in force: {lists}. Of what would be here otherwise, before near duplicates are dropped: {reasons}. An "
        "owner or repository counts once nothing of it is left. Nothing here names who left. "
        + (f"Hosts were last asked whether they still publish these sources on {facts.last_check}. " if facts.last_check else
           "Hosts were not asked again since the sources were read. ")
        + f"Not in these numbers, because they had opted out before and were never read: {facts.never_read:,} repositories and "
        "packages.", "",
        "| | Left | Of | Share |", "|---|---:|---:|---:|", *rows, "",
        "`merkle/` holds two RFC 9162 trees, over the content ids and over the names of all repositories in this release; their roots "
        "are in `manifest.json`. `fairstack data prove PATH host/owner` proves that an owner, a repository or a content is here or is "
        "not, and the proof can be checked without this software. Whoever holds a copy of this release keeps it up to date with "
        "`fairstack data update PATH LIST`.",
    ]  # fmt: skip


def _changes(facts: Facts) -> list[str]:
    """Say what changed since the parent, by reason."""
    found = facts.changes
    if not found:
        return []
    lines = [f"## Changes since {found['parent']}", "", "| Change | Why | Files | Size |", "|---|---|---:|---:|"]
    for change in ("added", "removed"):
        lines += [
            f"| {change} | {reason} | {count['files']:,} | {human_bytes(count['bytes'])} |"
            for reason, count in found[change].items()
        ]
    lines += [
        "",
        "The reason of an added file is the one for which its parent left it out; `new`: it was not there, or had left.",
        "",
    ]
    if found["edited"]:
        lines += [f"{counted(found['edited'], 'file')} stayed and lost or regained places.", ""]
    return lines


def _contact(contact: str) -> str:
    if contact:
        return f"Ask whether your code is included, or have it removed: {contact}"
    return "The builder of this release has stated no contact (`release.contact` in the build's configuration)."
