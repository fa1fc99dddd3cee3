"""The Croissant 1.1 description of a release, with its responsible-AI fields."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from stack_data.manifest import Output
from stack_data.release.tables import DATA

if TYPE_CHECKING:
    from stack_data.release.card import Facts

_CONTEXT = {
    "@language": "en", "@vocab": "https://schema.org/", "citeAs": "cr:citeAs", "column": "cr:column",
    "conformsTo": "dct:conformsTo", "cr": "http://mlcommons.org/croissant/", "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"}, "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/", "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"}, "extract": "cr:extract", "field": "cr:field",
    "fileProperty": "cr:fileProperty", "fileObject": "cr:fileObject", "fileSet": "cr:fileSet", "format": "cr:format",
    "includes": "cr:includes", "excludes": "cr:excludes", "isLiveDataset": "cr:isLiveDataset", "jsonPath": "cr:jsonPath",
    "key": "cr:key", "md5": "cr:md5", "parentField": "cr:parentField", "path": "cr:path", "recordSet": "cr:recordSet",
    "references": "cr:references", "regex": "cr:regex", "repeated": "cr:repeated", "replace": "cr:replace",
    "samplingRate": "cr:samplingRate", "sc": "https://schema.org/", "separator": "cr:separator", "source": "cr:source",
    "subField": "cr:subField", "transform": "cr:transform", "arrayShape": "cr:arrayShape", "isArray": "cr:isArray",
}  # fmt: skip


def croissant(facts: Facts, outputs: Mapping[str, Output]) -> str:
    """Return the text of croissant.json. outputs: the files of the release written so far, by path."""
    release = facts.config.release
    data = {name: output for name, output in outputs.items() if name.startswith("data/")}
    url = release.url or f"urn:fairstack:{facts.config.name}:{release.version}"
    description = {
        "@context": _CONTEXT, "@type": "sc:Dataset",
        "conformsTo": ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"],
        "name": facts.config.name, "description": release.title, "url": url, "version": release.version,
        "license": _license_urls(facts), "datePublished": facts.date, "isLiveDataset": False,
        "creator": {"@type": "sc:Organization", "name": release.creator},
        "citeAs": f"{release.creator}: {facts.config.name} {release.version}, {facts.date}",
        "distribution": [_file(name, output) for name, output in sorted(data.items())] + _sets(facts),
        "recordSet": [_records(slug) for slug in facts.configs], **_responsible(facts),
    }  # fmt: skip
    return json.dumps(description, ensure_ascii=False, indent=1) + "\n"


def _license_urls(facts: Facts) -> list[str]:
    from stack_data.licenses import expressions

    found = {one for count in facts.licenses for one in expressions.ids(count.name)}
    return [
        f"https://spdx.org/licenses/{one}.html"
        for one in sorted(found)
        if not one.startswith("LicenseRef-") and " " not in one
    ]


def _file(name: str, output: Output) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject", "@id": name, "name": name, "contentUrl": name, "sha256": output.sha256,
        "contentSize": f"{output.num_bytes} B", "encodingFormat": "application/x-parquet",
    }  # fmt: skip


def _sets(facts: Facts) -> list[dict[str, Any]]:
    return [
        {
            "@type": "cr:FileSet", "@id": f"files-{slug}", "name": f"files-{slug}",
            "encodingFormat": "application/x-parquet", "includes": f"data/{slug}/*.parquet",
        }
        for slug in facts.configs
    ]  # fmt: skip


def _records(slug: str) -> dict[str, Any]:
    fields = []
    for field in DATA:
        repeated = pa.types.is_list(field.type)
        described: dict[str, Any] = {
            "@type": "cr:Field", "@id": f"{slug}/{field.name}", "name": field.name, "dataType": _type(field.type),
            "source": {"fileSet": {"@id": f"files-{slug}"}, "extract": {"column": field.name}},
        }  # fmt: skip
        if repeated:
            described |= {"isArray": True, "arrayShape": "-1"}
        fields.append(described)
    return {"@type": "cr:RecordSet", "@id": slug, "name": slug, "field": fields}


def _type(kind: pa.DataType) -> str:
    if pa.types.is_boolean(kind):
        return "sc:Boolean"
    if pa.types.is_integer(kind):
        return "sc:Integer"
    return "sc:Float" if pa.types.is_floating(kind) else "sc:Text"


def _responsible(facts: Facts) -> dict[str, Any]:
    contact = facts.config.release.contact or "no contact stated"
    return {
        "rai:dataCollection": "Source files read from the repositories, packages and environments that the build's lock names.",
        "rai:dataCollectionType": "Software Collection",
        "rai:dataPreprocessingProtocol": [
            "Decoding to UTF-8; binary, undecodable and oversized files dropped.", "Exact deduplication by git blob id.",
            "Licence decided per place from headers, licence files and manifests; only permissive kept.",
        ],
        "rai:dataReleaseMaintenancePlan": f"Removal on request: {contact}. A release that removes rows raises its major version.",
        "rai:personalSensitiveInformation": facts.measures.sentences()[0],
        "rai:dataLimitations": "Licences are read from files and not legally reviewed one by one.",
        "rai:dataBiases": "Languages and licences are those of the sources; see the tables of the card.",
        "rai:dataUseCases": "Training and evaluating models of source code.",
        "rai:dataSocialImpact": "Authors can trace and remove their code; provenance and licences are stated per file.",
    }  # fmt: skip
