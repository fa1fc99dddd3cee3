"""The summary of training content after Article 53(1)(d) of the EU AI Act, as far as a data set can tell it.

Headings are those of the Commission's template (24 July 2025; C(2025) 8311). Every number comes from the release's own rows and
facts, none is written by hand; what only the provider of a model knows is marked `to_fill`. Names no person and no
repository: of where code was found, hosts and the domains of registries alone. Reads and writes nothing.

Choices: a file counts where it is displayed, so that sums are the release's; the size is in bytes of text, because tokens are
a tokenizer's. Not covered: whether a summary is sufficient, which is a lawyer's question.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stack_data.release.card import Facts
from stack_data.release.sources import ReleaseRows
from stack_data.report.attrition import human_bytes

FORMAT = "fairstack-eu-summary/1"
TOP_SHARE = 0.1
"""The template asks for the largest 10% of domains, by size."""

_REGISTRIES = {"pypi": "pypi.org", "npm": "registry.npmjs.org"}
_DATA_SETS = ("huggingface", "software_heritage")
_ONLINE = ("git", "packages", "archive")
_KINDS = {
    "huggingface": "data sets read through the `datasets` library", "software_heritage": "the Software Heritage archive",
    "git": "git repositories", "packages": "packages of public registries", "archive": "source archives",
    "directory": "folders of the builder", "environment": "an installed Python environment",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Honoured:
    """What a release honoured beyond its licences and the suppression lists that its facts name.

    signals     names of the in-repository signals that were read
    last_check  day on which the remotes were last asked whether they still publish the code; "" never
    measures    further measures against unlawful content or personal data, one sentence each
    review      what people found in a sample of licences, one sentence (stack_data.review.Review.sentence)
    """

    signals: tuple[str, ...] = ()
    last_check: str = ""
    measures: tuple[str, ...] = ()
    review: str = ""


@dataclass(frozen=True, slots=True)
class _Origin:
    """Files and bytes of one kind of source and one domain; "" for what is on no server."""

    kind: str
    domain: str
    num_files: int
    num_bytes: int
    first_day: str
    last_day: str


@dataclass(frozen=True, slots=True)
class _Section:
    number: str
    heading: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    to_fill: Sequence[str] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "heading": self.heading,
            "fields": dict(self.fields),
            "to_fill": list(self.to_fill),
        }


def eu_summary(facts: Facts, rows: ReleaseRows, honoured: Honoured | None = None) -> dict[str, Any]:
    """Return the summary as plain JSON values: {"format", "data_set", "version", "date", "sections": [{"number", "heading",
    "fields", "to_fill"}]}. rows: what is released; honoured: opt-outs and checks, by default none.
    """
    origins, honoured = _origins(rows), honoured or Honoured()
    sections = [*_general(facts, origins), *_sources(facts, rows, origins), *_processing(facts, honoured)]
    return {
        "format": FORMAT, "data_set": facts.config.name, "version": facts.config.release.version, "date": facts.date,
        "sections": [section.to_json() for section in sections],
    }  # fmt: skip


def _origins(rows: ReleaseRows) -> list[_Origin]:
    """Return files and bytes by kind of source and domain, from the displayed place of each file."""
    if not rows.kept.num_rows:
        return []
    displayed = rows.place_repository[np.unique(rows.place_content, return_index=True)[1]]
    used, inverse = np.unique(displayed, return_inverse=True)
    named = [rows.repositories[row] for row in used.tolist()]
    spread = pa.array(inverse.ravel())
    days = pa.array([one["first_seen"] or None for one in named], pa.string())
    table = pa.table(
        {
            "kind": pa.array([one["source_kind"] for one in named], pa.string()).take(spread),
            "domain": pa.array([_domain(one) for one in named], pa.string()).take(spread),
            "day": days.take(spread), "size": rows.kept["text_bytes"],
        }
    )  # fmt: skip
    sums = [("size", "count"), ("size", "sum"), ("day", "min"), ("day", "max")]
    grouped = table.group_by(["kind", "domain"]).aggregate(sums)
    order = [("size_sum", "descending"), ("kind", "ascending"), ("domain", "ascending")]
    return [
        _Origin(
            row["kind"], row["domain"], row["size_count"], row["size_sum"], row["day_min"] or "", row["day_max"] or ""
        )
        for row in grouped.take(pc.sort_indices(grouped, order)).to_pylist()
    ]


def _domain(repository: Mapping[str, Any]) -> str:
    """Return the domain a repository was read from, "" for what was on no server."""
    if repository["source_kind"] == "archive":
        return urlsplit(repository["url"] or "").hostname or ""
    host = _REGISTRIES.get(repository["host"], repository["host"])
    is_online = repository["source_kind"] in (*_ONLINE, *_DATA_SETS)
    return host if is_online and "." in host else ""


def _total(origins: Iterable[_Origin]) -> dict[str, int]:
    found = list(origins)
    return {"files": sum(one.num_files for one in found), "bytes": sum(one.num_bytes for one in found)}


def _period(origins: Iterable[_Origin]) -> str:
    """Return the days on which sources were first read, as one day or from one to another."""
    days = sorted({day for one in origins for day in (one.first_day, one.last_day) if day})
    return "" if not days else days[0] if days[0] == days[-1] else f"{days[0]} to {days[-1]}"


def _general(facts: Facts, origins: list[_Origin]) -> list[_Section]:
    release = facts.config.release
    return [
        _Section("1.1", "Provider identification", {
            "data set made by": release.creator, "contact for the data set": release.contact or "none stated",
            "address of the data set": release.url or "none stated",
        }, ["name and contact details of the provider of the model", "authorised representative in the Union, if any"]),
        _Section("1.2", "Model identification", {}, [
            "names and versions of the models trained on it", "date of placing on the market", "models they were made from",
        ]),
        _Section("1.3", "Modalities, overall training data size and other characteristics", {
            "modality": "text: source code", "files": facts.num_files, "bytes of text": facts.num_bytes,
            "repositories and packages": facts.num_repositories, "programming languages": len(facts.languages),
            "largest languages": [_count(one.name, one.num_files, one.num_bytes) for one in facts.languages[:10]],
            "licences": len(facts.licenses), "collected": _period(origins), "image, audio and video": "none",
        }, ["tokens that the model was trained on, by its tokenizer", "data beside this data set"]),
    ]  # fmt: skip


def _count(name: str, num_files: int, num_bytes: int) -> dict[str, Any]:
    return {"name": name, "files": num_files, "bytes": num_bytes}


def _by_kind(origins: Iterable[_Origin]) -> list[dict[str, Any]]:
    found = list(origins)
    kinds = dict.fromkeys(one.kind for one in found)
    return [
        {"name": _KINDS.get(kind, kind), **_total(one for one in found if one.kind == kind)} for kind in kinds
    ]  # fmt: skip


def _sources(facts: Facts, rows: ReleaseRows, origins: list[_Origin]) -> list[_Section]:
    data_sets = [one for one in origins if one.kind in _DATA_SETS]
    online = [one for one in origins if one.kind in _ONLINE and one.domain]
    other = [one for one in origins if one.kind not in _DATA_SETS and not (one.kind in _ONLINE and one.domain)]
    generated = rows.kept.filter(rows.kept["is_generated"])
    return [
        _Section("2.1", "Publicly available datasets", {
            **_total(data_sets), "kinds": _by_kind(data_sets), "collected": _period(data_sets),
            "published versions": _presets(facts),
        }, ["name and address of each data set that is not listed above"] if data_sets else []),
        _Section("2.2", "Private non-publicly available datasets obtained from third parties", {}, []),
        _Section("2.2.1", "Datasets licensed by rightsholders", {"known to the builder": "none"}, _if_other(other)),
        _Section("2.2.2", "Other private datasets obtained from third parties", {"known to the builder": "none"}, _if_other(other)),
        _Section("2.3", "Data crawled and scraped from online sources", {
            **_total(online), "kinds": _by_kind(online), "collected": _period(online), **_domains(online),
            "how": "repositories are cloned and packages downloaded from the servers of their hosts; no web page is crawled",
        }, []),
        _Section("2.4", "User data", {"collected by the builder": "none"}, ["user data that the model was trained on"]),
        _Section("2.5", "Synthetic data", {
            "made for this data set": "none", "files marked as written by a program": _total_of(generated),
            "not known": "which files of the sources a model wrote",
        }, ["synthetic data that the model was trained on"]),
        _Section("2.6", "Other sources of data", {**_total(other), "kinds": _by_kind(other), "collected": _period(other)},
                 ["what these folders and environments are"] if other else []),
    ]  # fmt: skip


def _if_other(other: list[_Origin]) -> list[str]:
    return ["whether any of section 2.6 was obtained from third parties"] if other else []


def _total_of(kept: pa.Table) -> dict[str, int]:
    return {"files": kept.num_rows, "bytes": int(pc.sum(kept["text_bytes"]).as_py() or 0)}


def _presets(facts: Facts) -> list[str]:
    """Return the known data sets that the sources name; names of others may be paths of somebody's machine."""
    found = {getattr(source, "preset", None) for source in facts.config.sources}
    known = {"the-stack": "The Stack", "the-stack-v2": "The Stack v2", "stack-v3-train": "The Stack v3"}
    return [name for preset, name in known.items() if preset in found]


def _domains(online: list[_Origin]) -> dict[str, Any]:
    """Return how many domains there are and the largest 10% of them, at least one."""
    sizes: dict[str, list[_Origin]] = {}
    for one in online:
        sizes.setdefault(one.domain, []).append(one)
    ranked = sorted(sizes, key=lambda domain: (-_total(sizes[domain])["bytes"], domain))
    shown = ranked[: math.ceil(len(ranked) * TOP_SHARE)]
    return {"domains": len(ranked), "largest 10% of domains": [{"name": one, **_total(sizes[one])} for one in shown]}


def _processing(facts: Facts, honoured: Honoured) -> list[_Section]:
    release, left = facts.config.release, facts.fold.departures
    # Epochs only: an issuer may be a person.
    epochs = sorted(facts.lists.values())
    return [
        _Section("3.1", "Respect of reservation of rights from text and data mining exception or limitation", {
            "licences": "a file is included only under a licence that was found and is permissive; no licence found means out",
            "opt-out lists": f"{len(epochs)} in force, epochs {', '.join(map(str, epochs))}" if epochs else "none was in force",
            "signals in repositories": ", ".join(honoured.signals) or "none was read",
            "robots.txt": "no web page is crawled; repositories and packages come through git and registry interfaces",
            "removed on request, by signal or because it is gone": [
                _count(reason.value, files, size) for reason, files, size in left.reasons
            ],
            "repositories and packages never read, because they had opted out before": f"{facts.never_read:,}",
            "share of files removed so": f"{left.files.number:,} of {left.files.of:,} ({left.files.fraction:.2%})",
            "share of bytes removed so": f"{left.num_bytes.number:,} of {left.num_bytes.of:,} ({left.num_bytes.fraction:.2%})",
            "owners of whom nothing is left": f"{left.owners.number:,} of {left.owners.of:,}",
            "sources last asked whether they still publish": honoured.last_check or "never",
            "where to ask and to opt out": release.contact or "none stated",
        }, ["the provider's own policy to comply with Union copyright law"]),
        _Section("3.2", "Removal of illegal content", {
            "done": list(honoured.measures) or "nothing beyond licences and opt-outs",
            "on notice": "a version without the content is released, and purging erases it from older ones",
            "not done": "texts are not searched for unlawful content by their meaning",
        }, ["measures taken on the data after it was received"]),
        _Section("3.3", "Other information", {
            "licence review": honoured.review or "no sample was reviewed by people",
            "left out": [_count(one.reason, one.num_files, one.num_bytes) for one in facts.fold.attrition],
        }),
    ]  # fmt: skip


def eu_summary_text(summary: Mapping[str, Any]) -> str:
    """Return a summary as Markdown."""
    lines = [
        f"# Summary of training content: {summary['data_set']} {summary['version']}", "",
        f"Generated from the release of {summary['date']}, along the headings of the template after Article 53(1)(d) of "
        "Regulation (EU) 2024/1689. It covers this data set; what only the provider of a model knows is marked.",
    ]  # fmt: skip
    groups = {"1": "General information", "2": "List of data sources", "3": "Data processing aspects"}
    for section in summary["sections"]:
        group = groups.pop(section["number"][0], None)
        lines += ["", f"## {section['number'][0]} {group}"] if group else []
        lines += ["", f"{'#' * (2 + section['number'].count('.'))} {section['number']} {section['heading']}", ""]
        for name, value in section["fields"].items():
            lines += _field(name, value)
        lines += [f"- *The provider of the model states: {one}.*" for one in section["to_fill"]]
    return "\n".join([*(line.rstrip() for line in lines), ""])


def _field(name: str, value: Any) -> list[str]:
    title = name[0].upper() + name[1:]
    if isinstance(value, list):
        inner = [f"  - {one if isinstance(one, str) else _sized(one)}" for one in value]
        return [f"- {title}:" + ("" if inner else " none"), *inner]
    if isinstance(value, dict):
        return [f"- {title}: {_sized(value)}"]
    if isinstance(value, int):
        return [
            f"- {title}: {human_bytes(value) + f' ({value:,} bytes)' if name.startswith('bytes') else f'{value:,}'}"
        ]
    return [f"- {title}: {value or 'none'}"]


def _sized(one: Mapping[str, Any]) -> str:
    name = f"{one['name']}: " if "name" in one else ""
    return f"{name}{one['files']:,} file{'' if one['files'] == 1 else 's'}, {human_bytes(one['bytes'])}"
