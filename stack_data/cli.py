"""`fairstack data`: the verbs of the corpus builder. Only wiring: arguments in, a plain function, a line a person can check.

Heavy modules are imported inside the verbs, so that `--help` is instant. Errors of the user's making are one line;
exit codes: 0 done, 1 failed, 2 usage.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from stack_data import cli_export
from stack_data.cli_governance import add_verbs
from stack_data.counting import counted
from stack_data.errors import ConfigError, FairStackError
from stack_data.terminal import Parser, add_verb, out, plain, progress_of, run_verb


def main(arguments: Sequence[str]) -> int:
    """Run `fairstack data ...`."""
    return run_verb(_parser(), arguments, "what was built before stays valid", "run the same command again to go on")


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="fairstack data", description="Build a corpus, release it, explain and verify it.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB", parser_class=Parser)

    build = add_verb(verbs, "build", _build, "run every step of a build, skipping what is done")
    build.add_argument("config", type=Path, metavar="CONFIG", help="TOML file, e.g. configs/demo.toml")
    build.add_argument("--set", action="append", default=[], metavar="a.b=value", help="override one value")
    build.add_argument(
        "--dry-run", action="store_true", help="tell from a sample what it will need and keep; nothing of it stays"
    )
    build.add_argument("--sample", type=float, metavar="MB", help="size of that sample (default: 64)")
    build.add_argument(
        "--anew",
        metavar="STEP",
        help="make this step and what follows anew: fetch, exact, header, license, language, filter, signal, signatures, near, "
        "decontamination, malware, pii",
    )

    refresh = add_verb(verbs, "refresh", _refresh, "ask the sources of a build again and take up what changed")
    refresh.add_argument("build", type=Path, metavar="BUILD")
    refresh.add_argument("--config", type=Path, metavar="CONFIG", help="a configuration with sources added or changed")
    refresh.add_argument("--set", action="append", default=[], metavar="a.b=value", help="override one value")

    release = add_verb(verbs, "release", _release, "make a release of a finished build")
    release.add_argument("build", type=Path, metavar="BUILD")
    release.add_argument("--version", metavar="X.Y.Z", help="version of the release (release.version)")
    release.add_argument("--parent", metavar="X.Y.Z", help="the release it follows; default: the newest below it")
    release.add_argument(
        "--suppressions",
        action="append",
        default=[],
        metavar="LIST",
        help="a suppression list, path or URL; it stays in force",
    )
    release.add_argument("--full", action="store_true", help="write every byte anew instead of taking shards over")
    release.add_argument("--set", action="append", default=[], metavar="a.b=value", help="e.g. release.title=...")

    report = add_verb(verbs, "report", _report, "print the attrition table and write report.html")
    report.add_argument("build", type=Path, metavar="BUILD")

    why = add_verb(verbs, "why", _why, "explain what happened to a file and why")
    why.add_argument("build", type=Path, metavar="BUILD")
    why.add_argument("id", metavar="ID", help="content_id (or its first digits), or a path as the source spells it")

    benchmarks = add_verb(verbs, "benchmarks", _benchmarks, "say which item of a benchmark was found where")
    benchmarks.add_argument("build", type=Path, metavar="BUILD")

    verify = add_verb(verbs, "verify", _verify, "check every byte of a build or a release against its manifests")
    verify.add_argument("folder", type=Path, metavar="BUILD|RELEASE")

    update = add_verb(verbs, "update", _update, "take out of a copy of a release what has left it since")
    update.add_argument("release", type=Path, metavar="RELEASE")
    update.add_argument("list", metavar="LIST", help="the builder's removal list for this release, path or URL")
    update.add_argument("--key", action="append", default=[], metavar="BASE64", help="a public key to trust")

    purge = add_verb(verbs, "purge", _purge, "erase what has opted out from a build and its older releases")
    purge.add_argument("build", type=Path, metavar="BUILD")

    similar = add_verb(verbs, "similar", _similar, "say which files of a release a file is a near duplicate of")
    similar.add_argument("release", type=Path, metavar="RELEASE")
    similar.add_argument("file", type=Path, metavar="FILE")

    for name, run, purpose in (
        ("license", _license, "say which licence files stand under, with evidence"),
        ("language", _language, "say which language files are in"),
    ):
        verb = add_verb(verbs, name, run, purpose)
        verb.add_argument("paths", nargs="+", metavar="PATH")
    pii = add_verb(verbs, "pii", _pii, "say where files hold personal data and secrets")
    pii.description = (
        "Say where files hold personal data and secrets: one JSON object for each file, on a line of its own, with or without --json. "
        "start and end are byte offsets, in UTF-8, into the text as the builder reads it (decoded, notebooks converted with their "
        "outputs), line is its line, from 1. Files without a text (binary, undecodable, too large, ...) have findings null, and unread "
        "says why."
    )
    pii.add_argument("paths", nargs="+", metavar="PATH")
    pii.add_argument("--phones", action="store_true", help="look for phone numbers too")
    pii.add_argument(
        "--ner", metavar="DIR", default="", help="a checkpoint with StarPII's labels, which finds names too"
    )
    add_verbs(verbs)
    cli_export.add_verbs(verbs)
    return parser


def _build(arguments: argparse.Namespace) -> int:
    from stack_data.build import build
    from stack_data.config_file import load

    config = load(arguments.config, arguments.set)
    if arguments.dry_run:
        return _dry_run(config, arguments)
    if arguments.sample is not None:
        raise ConfigError("--sample belongs to --dry-run")
    result = build(config, arguments.config.resolve().parent, arguments.anew, progress_of(arguments))
    if arguments.json:
        out(json.dumps(result.to_json()))
    else:
        _show(result)
    return 1 if result.failures or result.refused else 0


def _dry_run(config: Any, arguments: argparse.Namespace) -> int:
    from stack_data.estimate import dry_run
    from stack_data.report.estimate import estimate_text

    sample = 64.0 if arguments.sample is None else arguments.sample
    if not 0 < sample < 1e9 or arguments.anew:
        raise ConfigError("--dry-run takes --sample MB, more than 0, and no --anew")
    folder = arguments.config.resolve().parent
    found = dry_run(config, folder, round(sample * 1e6), progress_of(arguments))
    out(json.dumps(found.to_json()) if arguments.json else estimate_text(found))
    return 1 if found.failures else 0


def _show(result: Any, again: bool = True) -> None:
    """Print what a build came to."""
    from stack_data.report.attrition import attrition_table, human_bytes

    out(attrition_table(result.fold))
    out("")
    for key, reason in sorted(result.failures.items()):
        out(f"missing: {key}: {reason}")
    if result.failures and again:
        without = f"fairstack data release {result.folder}"
        out(f"{len(result.failures)} could not be read; the same command tries again. To release without: {without}")
    out(f"release: {result.release or result.unreleased}")
    out(
        f"build: kept {result.fold.kept.num_rows:,} of {result.fold.num_entries:,} files, {human_bytes(result.kept_bytes)}"
    )


def _refresh(arguments: argparse.Namespace) -> int:
    from stack_data.build import refresh

    result, changes = refresh(arguments.build, arguments.set, arguments.config, progress_of(arguments))
    found = {name: list(getattr(changes, name)) for name in ("changed", "new", "gone")}
    if arguments.json:
        out(json.dumps(result.to_json() | found))
    else:
        _show(result, again=False)
        for name, keys in found.items():
            for key in keys:
                out(f"{name}: {key}")
        out("refresh: " + ", ".join(f"{len(keys):,} {name}" for name, keys in found.items()))
    return 1 if result.failures else 0


def _release(arguments: argparse.Namespace) -> int:
    from stack_data.build import release_of

    named = [("version", arguments.version), ("parent", arguments.parent)]
    overrides = arguments.set + [f'release.{name}="{value}"' for name, value in named if value]
    made = release_of(
        arguments.build, overrides, progress_of(arguments), suppressions=arguments.suppressions, full=arguments.full
    )
    version = made.plan["config"]["version"]
    folder, files, changes = arguments.build / "releases" / version, made.counts["files"], made.counts["changes"]
    if arguments.json:
        out(json.dumps({"release": str(folder), "files": files, "lists": made.plan["lists"], "changes": changes}))
        return 0
    for change in ("added", "removed") if changes else ():
        for reason, count in changes[change].items():
            out(f"{change}: {counted(count['files'], 'file')}, {reason}")
    out(f"release: {counted(files, 'file')} in {folder}" + (f", following {changes['parent']}" if changes else ""))
    return 0


def _report(arguments: argparse.Namespace) -> int:
    from stack_data.build import report_of

    text, page, fold = report_of(arguments.build)
    if arguments.json:
        rows = [
            {"stage": one.stage, "reason": one.reason, "files": one.num_files, "bytes": one.num_bytes}
            for one in fold.attrition
        ]
        out(json.dumps({"attrition": rows, "entries": fold.num_entries, "kept": fold.kept.num_rows, "page": str(page)}))
    else:
        out(text)
        out(f"\nreport: {page}")
    return 0


def _why(arguments: argparse.Namespace) -> int:
    from stack_data.why import explain, why

    # As everywhere, bytes of a name that are no UTF-8 are known by their escaped form.
    found = why(arguments.build, os.fsencode(arguments.id).decode("utf-8", "backslashreplace"))
    for one in found:
        out(json.dumps(one) if arguments.json else explain(one))
    return 0


def _benchmarks(arguments: argparse.Namespace) -> int:
    from dataclasses import asdict

    from stack_data.benchmarked import benchmarks
    from stack_data.decontamination.report import text_of

    found, unchecked, paths = benchmarks(arguments.build)
    if arguments.json:
        rows = [asdict(one) | {"path": paths.get(one.content_id)} for one in found]
        out(json.dumps({"found": rows, "unchecked": [asdict(one) for one in unchecked]}))
        return 0
    out(text_of(found, unchecked, paths))
    files = len({one.content_id for one in found})
    items = len({(one.benchmark, one.item) for one in found})
    out(
        f"benchmarks: {counted(items, 'item')} in {counted(files, 'file')}, which {'is' if files == 1 else 'are'} left out"
    )
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    from stack_data.verify import verify

    result = verify(arguments.folder)
    if arguments.json:
        out(json.dumps({"files": result.num_files, "rows": result.num_rows, "problems": result.problems}))
    else:
        for problem in result.problems:
            out(problem)
        state = "all sound" if not result.problems else counted(len(result.problems), "problem")
        out(f"verify: {counted(result.num_files, 'file')} and {counted(result.num_rows, 'row')} checked, {state}")
    return 1 if result.problems else 0


def _update(arguments: argparse.Namespace) -> int:
    from stack_data.update import update

    done = update(arguments.release, arguments.list, arguments.key)
    files = done.record.files if done.record else {}
    if arguments.json:
        out(json.dumps({"epoch": done.epoch, "removed": done.num_files, "rewritten": sorted(files)}))
    elif done.record:
        out(
            f"update: {counted(done.num_files, 'file')} taken out, {counted(len(files), 'file')} of the release rewritten, "
            f"epoch {done.epoch}"
        )
    else:
        out(f"update: {arguments.release} is up to date with epoch {done.epoch}")
    return 0


def _purge(arguments: argparse.Namespace) -> int:
    from stack_data.purge import purge

    done = purge(arguments.build, progress_of(arguments))
    index = arguments.build / "index"
    followed = None
    if (index / "index.json").exists():
        from stack_data.search.purged import follow

        followed = follow(index, done.removals, progress_of(arguments))
    left = bool(followed and followed.problem)
    if arguments.json:
        out(json.dumps(_purged_json(done, followed)))
        return 1 if left else 0
    for version, record in done.releases.items():
        out(f"release {version}: {counted(record.facts['num_files'], 'file')} taken out")
    for path in done.removals:
        out(f"removal list for those who hold a copy: {path}")
        out(
            f"for an index elsewhere: fairstack search remove INDEX --removals {path}, then: fairstack search merge INDEX"
        )
    if followed:
        _show_followed(followed, done.removals)
    told = f"{counted(done.num_contents, 'content')} erased" if done.record else "nothing was left to erase"
    out(f"purge: {told}; check it with: fairstack data verify {arguments.build}")
    return 1 if left else 0


def _purged_json(done: Any, followed: Any) -> dict[str, Any]:
    releases = {version: record.facts["num_files"] for version, record in done.releases.items()}
    found = {"contents": done.num_contents, "releases": releases, "removals": list(map(str, done.removals))}
    if followed:
        found["index"] = {
            "folder": str(followed.index), "places": followed.num_places, "erased": followed.num_erased,
            "deny_batch": followed.deny_batch, "problem": followed.problem,
        }  # fmt: skip
    return found


def _show_followed(followed: Any, removals: Sequence[Path]) -> None:
    index = followed.index
    if followed.problem and followed.is_hidden:
        out(f"index: no answer has it any more, but its text is still in {index}: {followed.problem}")
        out(f"to erase it there too, run the same command again, or: fairstack search merge {index}")
    elif followed.problem:
        out(f"index: {index} still has it: {followed.problem}")
        for path in removals:
            out(f"to take it out there: fairstack search remove {index} --removals {path}")
    elif followed.num_places or followed.num_erased:
        batch = f"; deny batch {followed.deny_batch}" if followed.deny_batch else ""
        taken = f"{counted(followed.num_places, 'place')} taken out of {index}"
        out(f"index: {taken}, {counted(followed.num_erased, 'content')} erased there{batch}")


def _similar(arguments: argparse.Namespace) -> int:
    from stack_data.similar import similar

    found = similar(arguments.release, arguments.file)
    for one in found:
        licenses = " AND ".join(one.detected_licenses)
        out(
            json.dumps(one.to_json())
            if arguments.json
            else f"{one.similarity:.3f}  {one.content_id}  {one.host}/{one.repo_name}: {one.path} ({licenses})"
        )
    if not arguments.json:
        out(f"similar: {counted(len(found), 'near duplicate')} in {arguments.release}")
    return 0


def _license(arguments: argparse.Namespace) -> int:
    from stack_data.inspect import licenses_of_paths

    return _inspect(licenses_of_paths, arguments.paths)


def _language(arguments: argparse.Namespace) -> int:
    from stack_data.inspect import languages_of_paths

    return _inspect(languages_of_paths, arguments.paths)


def _pii(arguments: argparse.Namespace) -> int:
    from stack_data.config import PiiConfig
    from stack_data.pii.paths import findings_of_paths

    config = PiiConfig(ner=arguments.ner)
    if arguments.phones:
        config = config.model_copy(update={"kinds": (*config.kinds, "phone")})
    return _inspect(lambda paths: findings_of_paths(paths, config), arguments.paths)


def _inspect(look: Callable[[Sequence[str]], Iterator[dict[str, Any]]], paths: Sequence[str]) -> int:
    """Print what is found at each path; one that cannot be read is told and costs the others nothing."""
    failed = 0
    for path in paths:
        try:
            for found in look([path]):
                out(json.dumps(found))
        except FairStackError as error:
            sys.stdout.flush()
            sys.stderr.write(plain(f"fairstack: {error}\n"))
            failed = 1
    return failed
