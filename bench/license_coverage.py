"""Counts how much of what could be kept is kept: of the bytes whose licence texts and declarations are all allowed.

A place counts as all allowed when at least one thing is known about its licence and every licence found for it (in
texts, notices, tags, manifests) is allowed; what is not understood beside those costs the place, and is listed by
cause. Places with no evidence at all, and those with a licence that is not allowed, are counted apart.

Run: python bench/license_coverage.py [BUILD...]   on builds made with: fairstack data build CONFIG (default: all of build/)
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from stack_data import storage
from stack_data.config import LicenseConfig
from stack_data.layout import Build
from stack_data.licenses import expressions
from stack_data.licenses.policy import Policy, policy_of

Cause = tuple[str, str]


def main() -> None:
    """Print a table per build."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("builds", nargs="*", type=Path, metavar="BUILD")
    parser.add_argument("--causes", type=int, default=12, help="how many causes to list per build")
    arguments = parser.parse_args()
    builds = arguments.builds or sorted(path.parent for path in Path("build").glob("*/sources.lock.json"))
    if not builds:
        sys.stdout.write("no builds yet; make one with: make demo\n")
    for folder in builds:
        totals, causes = count(Build.open(folder), policy_of(LicenseConfig()))
        _print(folder, totals, causes.most_common(arguments.causes))


def count(build: Build, policy: Policy) -> tuple[Counter[str], Counter[Cause]]:
    """Return bytes by class, and bytes of places that are all allowed and not kept, by repository and cause."""
    totals: Counter[str] = Counter()
    causes: Counter[Cause] = Counter()
    for group in sorted(path.stem for path in (build.folder / "repositories").glob("*.parquet")):
        verdicts = storage.read_parquet(build.decisions("license", f"{group}.verdicts")).to_pylist()
        classes = [_class_of(verdict, policy) for verdict in verdicts]
        repositories = storage.read_parquet(build.repositories(group), ["owner", "repo"]).to_pylist()
        for path in sorted(build.provenance("x").parent.glob(f"{group}-?????.parquet")):
            places = storage.read_parquet(path, ["repository", "num_bytes", "file_row"])
            decided = storage.read_parquet(build.decisions("license", path.stem), ["verdict"])
            columns = (places["repository"], places["num_bytes"], places["file_row"], decided["verdict"])
            for repository, size, row, index in zip(*(column.to_pylist() for column in columns), strict=True):
                if row < 0:
                    continue
                totals[classes[index]] += size
                if classes[index] == "all allowed, out":
                    found = repositories[repository]
                    causes[f"{found['owner'] or '-'}/{found['repo']}", (verdicts[index]["detail"] or "")[:90]] += size
    return totals, causes


def _class_of(verdict: dict[str, str | None], policy: Policy) -> str:
    if verdict["reason"] is None:
        return "kept"
    known = [one["expression"] for one in json.loads(verdict["evidence"] or "[]") if one.get("expression")]
    if not known:
        return "nothing known"
    return (
        "all allowed, out" if policy.is_permissive(expressions.narrowing(expressions.all_of(known))) else "not allowed"
    )


def _print(folder: Path, totals: Counter[str], causes: list[tuple[Cause, int]]) -> None:
    eligible = totals["kept"] + totals["all allowed, out"]
    lines = [f"{folder}: {sum(totals.values()) / 1e6:,.1f} MB of text"]
    for name in ("kept", "all allowed, out", "not allowed", "nothing known"):
        lines.append(f"  {name:22} {totals[name] / 1e6:10,.2f} MB")
    lines.append(f"  kept of all allowed    {totals['kept'] / max(1, eligible):10.4f}")
    for (repository, detail), size in causes:
        lines.append(f"    {size / 1e6:8.2f} MB  {repository:28} {detail}")
    sys.stdout.write("\n".join([*lines, "", ""]))


if __name__ == "__main__":
    main()
