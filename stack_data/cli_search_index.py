"""The verbs of `fairstack search` that make or change an index. Only wiring, as in cli.py."""

from __future__ import annotations

import argparse
import gc
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from stack_data.counting import counted
from stack_data.errors import ConfigError, InputError
from stack_data.terminal import add_verb, out, progress_of

Run = Callable[[argparse.Namespace], int]


def add_verbs(verbs: Any) -> None:
    """Add the verbs to the subparsers of `fairstack search`."""
    build = add_verb(verbs, "build", _telling(_build), "make an index of releases")
    build.add_argument("releases", nargs="+", type=Path, metavar="RELEASE")
    build.add_argument(
        "--index", type=Path, metavar="INDEX", help="where (default: index/ in the build of the release)"
    )
    build.add_argument("--keywords", action="store_true", help="with keyword search")

    add = add_verb(verbs, "add", _telling(_add), "add releases to an index")
    add.add_argument("index", type=Path, metavar="INDEX")
    add.add_argument("releases", nargs="+", type=Path, metavar="RELEASE")

    merge = add_verb(verbs, "merge", _telling(_merge), "make one segment of all, and erase what was removed")
    merge.add_argument("index", type=Path, metavar="INDEX")

    deny = add_verb(
        verbs,
        "deny",
        _telling(_deny),
        "keep hashes of what was removed, so that completions that repeat it are refused",
    )
    deny.add_argument("index", type=Path, metavar="INDEX")
    deny.add_argument("--erase", metavar="BATCH", help="delete the hashes of one removal instead")
    deny.add_argument(
        "--erase-file",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="delete the hashes of these files instead",
    )

    keywords = add_verb(
        verbs, "keywords", _telling(_keywords), "make an index's keyword search, or bring it up to date"
    )
    keywords.add_argument("index", type=Path, metavar="INDEX")

    remove = add_verb(
        verbs, "remove", _telling(_remove), "take owners, repositories, contents or places out of an index, at once"
    )
    remove.add_argument("index", type=Path, metavar="INDEX")
    for name, what in (
        ("owner", "host/owner"), ("repository", "host/owner/repo or a clone URL"), ("content", "content id"), ("place", "place id"),
    ):  # fmt: skip
        remove.add_argument(f"--{name}", action="append", default=[], metavar=name.upper(), help=what)
    remove.add_argument(
        "--removals", action="append", default=[], metavar="LIST", help="a removal list of a release, path or URL"
    )
    remove.add_argument(
        "--suppressions", action="append", default=[], metavar="LIST", help="a suppression list, path or URL"
    )
    remove.add_argument("--key", action="append", default=[], metavar="[ISSUER=]BASE64", help="a public key to trust")

    verify = add_verb(verbs, "verify", _telling(_verify), "check every byte of an index")
    verify.add_argument("index", type=Path, metavar="INDEX")


def _telling(run: Run) -> Run:
    """Return a verb that says when it compiles."""

    def told(arguments: argparse.Namespace) -> int:
        gc.enable()
        if not arguments.json:
            from stack_data.compiled import say_when_compiling

            say_when_compiling()
        return run(arguments)

    return told


def say(arguments: argparse.Namespace, value: Any, text: str) -> None:
    """Print a result: as JSON where that is asked for, else as text."""
    out(json.dumps(value) if arguments.json else text)


def lists_of(arguments: argparse.Namespace) -> list[Any]:
    """Return the suppression lists that a command names."""
    if not arguments.suppressions:
        if arguments.key and not getattr(arguments, "removals", None):
            raise ConfigError("--key is for checking a list, and none is given; name it with --suppressions LIST")
        return []
    from stack_data import registry

    keys: dict[str, list[str]] = {}
    for one in arguments.key:
        issuer, sign, key = one.partition("=")
        if sign and key.strip("="):
            keys.setdefault(issuer, []).append(key)
    return [registry.fetch(one, keys, Path())[0] for one in arguments.suppressions]


def _build(arguments: argparse.Namespace) -> int:
    from stack_data.search import keyword_index
    from stack_data.search.build import build

    folder = arguments.index or _beside(arguments.releases)
    added = build(arguments.releases, folder, progress=progress_of(arguments))
    if arguments.keywords or keyword_index.has_keywords(folder):
        keyword_index.update(folder, os.cpu_count() or 1)
    return _told(arguments, folder, added)


def _beside(releases: Sequence[Path]) -> Path:
    """Return the index of the build that releases are in."""
    for one in releases:
        if not one.is_dir():
            raise ConfigError(f"{one} is no folder; name a release, such as build/NAME/releases/1.0.0")
        if (one / "sources.lock.json").exists():
            raise ConfigError(f"{one} is a build; name one of its releases, such as {one / 'releases' / '1.0.0'}")
    builds = {one.resolve().parent.parent for one in releases}
    if len(builds) > 1 or not (next(iter(builds)) / "sources.lock.json").exists():
        raise ConfigError(f"{releases[0]} is in no build, or the releases are in several; say where with --index INDEX")
    return next(iter(builds)) / "index"


def _add(arguments: argparse.Namespace) -> int:
    from stack_data.search import keyword_index
    from stack_data.search.build import add
    from stack_data.search.index import open_index

    open_index(arguments.index)
    added = [add(arguments.index, one, progress=progress_of(arguments)) for one in arguments.releases]
    if keyword_index.has_keywords(arguments.index):
        keyword_index.update(arguments.index, os.cpu_count() or 1)
    return _told(arguments, arguments.index, added)


def _told(arguments: argparse.Namespace, folder: Path, added: Sequence[Any]) -> int:
    facts = [
        {
            "release": one.release.label, "identity": one.release.identity, "segments": one.num_segments, "contents": one.num_contents,
            "texts": one.num_texts, "places": one.num_places, "bytes": one.num_bytes,
        }
        for one in added
    ]  # fmt: skip
    if arguments.json:
        out(json.dumps({"index": str(folder), "added": facts}))
        return 0
    for one in facts:
        new = (
            f"{counted(one['contents'], 'content')}, {one['texts']:,} of them new, at {counted(one['places'], 'place')}"
        )
        out(f"{one['release']}: " + (new if one["segments"] else "was there already"))
    out(f"index: {folder}")
    return 0


def _merge(arguments: argparse.Namespace) -> int:
    from dataclasses import asdict

    from stack_data.search import keyword_index
    from stack_data.search.merge import merge

    done = merge(arguments.index, progress=progress_of(arguments))
    if keyword_index.has_keywords(arguments.index):
        keyword_index.update(arguments.index, os.cpu_count() or 1)
    facts = {name: value for name, value in asdict(done).items() if value or name != "deny_batch"}
    say(
        arguments,
        facts,
        f"merge: {counted(done.num_contents, 'content')} in {counted(done.num_after, 'segment')} ({done.num_before:,} before), "
        f"{done.num_dropped:,} erased" + (f"; deny batch {done.deny_batch}" if done.deny_batch else ""),
    )
    return 0


def _deny(arguments: argparse.Namespace) -> int:
    from dataclasses import asdict

    from stack_data.search import deny

    if arguments.erase and arguments.erase_file:
        raise ConfigError(
            "--erase deletes the hashes of a batch, --erase-file those of files; use one of them at a time"
        )
    if arguments.erase:
        deny.erase(arguments.index, arguments.erase)
        say(
            arguments,
            {"erased": arguments.erase},
            f"deny: batch {arguments.erase} is erased; nothing refuses that code any more",
        )
        return 0
    if arguments.erase_file:
        count = deny.erase_texts(arguments.index, [_with_language(one) for one in arguments.erase_file])
        text = f"deny: {counted(count, 'hash', 'hashes')} of {counted(len(arguments.erase_file), 'file')} erased; nothing refuses that code any more"
        say(arguments, {"erased_hashes": count}, text)
        return 0
    done = deny.update(arguments.index, progress_of(arguments))
    new = f"new batch {done.batch}; " if done.batch else "nothing new was removed; "
    text = f"deny: {new}{done.num_hashes:,} hashes, {done.num_exclusive:,} of them of nothing that is still there"
    say(arguments, asdict(done), text)
    return 0


def _with_language(path: Path) -> tuple[str, str | None]:
    from stack_data.inspect import read_text
    from stack_data.languages.detection import detect_language
    from stack_data.reasons import Reason

    text = read_text(path)
    if isinstance(text, Reason):
        raise InputError(f"{path} has no text whose hashes could be erased: {text.meaning}")
    return text, detect_language(str(path), text)


def _keywords(arguments: argparse.Namespace) -> int:
    from stack_data.report.attrition import human_bytes
    from stack_data.search.keyword_index import update

    size = update(arguments.index, os.cpu_count() or 1)
    say(arguments, {"bytes": size}, f"keywords: {human_bytes(size)} in {arguments.index / 'keywords'}")
    return 0


def _remove(arguments: argparse.Namespace) -> int:
    from stack_data.search.clone_urls import asked_of
    from stack_data.search.listed_removals import remove_listed
    from stack_data.search.removals import remove

    asked = [asked_of(one) for one in (*arguments.owner, *arguments.repository)]
    owners, repositories = asked[: len(arguments.owner)], asked[len(arguments.owner) :]
    for one in asked:
        if not one.host or bool(one.repo) != (one in repositories):
            raise ConfigError(
                f"{one.name!r} does not say which host's, or is no {'repository' if one in repositories else 'owner'}: a removal needs the whole name, "
                "--owner host/owner or --repository host/owner/repo, as search owner and search repository print it"
            )
    keys = [_key(one) for one in arguments.key]
    done = [remove_listed(arguments.index, one, keys) for one in arguments.removals]
    done.append(
        remove(
            arguments.index, owners=[one.name for one in owners], repositories=[one.name for one in repositories],
            contents=arguments.content, places=arguments.place, lists=lists_of(arguments),
        )
    )  # fmt: skip
    places, contents = sum(one.num_places for one in done), sum(one.num_contents for one in done)
    asked_for = (
        arguments.owner,
        arguments.repository,
        arguments.content,
        arguments.place,
        arguments.removals,
        arguments.suppressions,
    )
    text = f"remove: {counted(places, 'place')} and {counted(contents, 'content')} taken out of every answer; to erase them: search merge"
    if not any(asked_for):
        text = "remove: nothing was named; what the index has written down as removed is carried out"
    elif not places:
        text = (
            "remove: the index has nothing under these names that was not removed before; what later releases bring under them is removed too. "
            "Other names of one repository: search repository"
        )
    say(arguments, {"places": places, "contents": contents}, text)
    return 0


def _key(stated: str) -> str:
    """Return the key of `ISSUER=BASE64` or `BASE64`, which may end in `=` itself."""
    issuer, sign, key = stated.partition("=")
    return key if sign and key.strip("=") else stated


def _verify(arguments: argparse.Namespace) -> int:
    from stack_data.search import keyword_index
    from stack_data.search.integrity import verify_index

    done = verify_index(arguments.index)
    problems = [*done.problems, *keyword_index.verify(arguments.index)]
    text = f"verify: {counted(done.num_contents, 'content')} in {counted(done.num_segments, 'segment')}, {counted(len(problems), 'problem')}"
    say(arguments, {"contents": done.num_contents, "problems": problems}, "\n".join([*problems, text]))
    return 1 if problems else 0
