"""`fairstack search`: is this code in the corpus, where from, and under which licence. Only wiring, as in cli.py.

Every verb takes the folder of an index first; `build` makes one. Readers hide what suppression lists name (--suppressions).
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stack_data.cli_search_index import add_verbs, lists_of, say
from stack_data.errors import ConfigError, InputError
from stack_data.terminal import Parser, add_verb, progress_of, run_verb, size_of

MAX_SNIPPET = 10 << 20
"""Bytes."""


def main(arguments: Sequence[str]) -> int:
    """Run `fairstack search ...`."""
    # One question is a second of imports and little else: collecting garbage meanwhile takes a sixth of it.
    gc.disable()
    try:
        return run_verb(_parser(), arguments, "the index is as it was", "the index is as it was")
    finally:
        gc.enable()


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="fairstack search", description="Say whether code is in a corpus, where from, and under which licence."
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB", parser_class=Parser)
    add_verbs(verbs)
    _add_readers(verbs)
    return parser


def _add_readers(verbs: Any) -> None:
    snippet = _reader(verbs, "snippet", _snippet, "say which files of the corpus a piece of code is in")
    snippet.add_argument("file", metavar="FILE", help="a file with the code, - for standard input")
    snippet.add_argument(
        "--language", metavar="NAME", help="its language; without it every family of languages is tried"
    )

    snippet.add_argument("--all", action="store_true", help="name every place of every match")

    for name, run, purpose in (
        ("owner", _owner, "say what the corpus has of an owner"),
        ("repository", _repository, "say what the corpus has of a repository or package"),
    ):
        verb = _reader(verbs, name, run, purpose)
        verb.add_argument(
            "name", metavar="NAME", help="owner, host/owner/repo, a clone URL, pypi/-/name, npm/scope/name or a purl"
        )
        verb.add_argument(
            "--build",
            type=Path,
            metavar="BUILD",
            help="say too what this build dropped of it, and why, and follow the other names it knows",
        )
        verb.add_argument("--list", choices=("files", "exact", "near"), help="list its files, or others' copies")
        _paged(verb, 100, ", with --list")

    file = _reader(verbs, "file", _file, "say whether one file is in the corpus, by its bytes")
    file.add_argument("id", metavar="ID|FILE", help="content id, SHA-256, SWHID, or a file, - for standard input")
    file.add_argument("--all", action="store_true", help="name every place")

    text = _reader(verbs, "text", _text, "search for words in texts and paths")
    text.add_argument("query", metavar="QUERY", help="in quotes: words, phrases, path:, repo:, lang:, license:, -word")
    _paged(text, 10)

    scan = _reader(verbs, "scan", _scan, "say which files and spans of a checkout are in the corpus")
    scan.add_argument("target", metavar="FOLDER|URL", help="a folder, or a clone URL: nothing of it is run")
    scan.add_argument(
        "--own",
        action="append",
        default=[],
        metavar="NAME",
        help="an owner or repository whose code is yours: no finding",
    )
    scan.add_argument(
        "--exclude", action="append", default=[], metavar="PATTERN", help="paths to leave out, as in .gitignore"
    )
    scan.add_argument("--sarif", type=Path, metavar="FILE", help="write the findings as SARIF 2.1.0 too")
    scan.add_argument(
        "--max-file-bytes", type=size_of, default=1 << 20, metavar="SIZE",
        help="larger files are not read: bytes, or such as 500kB, 2MiB (default: 1MiB)",
    )  # fmt: skip
    scan.add_argument(
        "--max-bytes", type=size_of, default=2 << 30, metavar="SIZE", help="most bytes read in all (default: 2GiB)"
    )


def _reader(verbs: Any, name: str, run: Any, purpose: str) -> argparse.ArgumentParser:
    verb = add_verb(verbs, name, run, purpose)
    verb.add_argument("index", type=Path, metavar="INDEX")
    verb.add_argument(
        "--suppressions",
        action="append",
        default=[],
        metavar="LIST",
        help="hide what a suppression list names, path or URL",
    )
    verb.add_argument("--key", action="append", default=[], metavar="ISSUER=BASE64", help="a public key to trust")
    return verb


def _paged(verb: argparse.ArgumentParser, count: int, where: str = "") -> None:
    verb.add_argument("--first", type=int, metavar="N", help=f"begin at this row{where} (default: 0)")
    verb.add_argument("--count", type=int, metavar="N", help=f"rows to show{where} (default: {count})")
    verb.set_defaults(rows=count)


def _page_of(arguments: argparse.Namespace) -> tuple[int, int]:
    """Return the first row of a page and how many it has."""
    first = 0 if arguments.first is None else arguments.first
    count = arguments.rows if arguments.count is None else arguments.count
    if first < 0 or count < 1:
        raise ConfigError("--first is at least 0, --count at least 1")
    return first, count


def _open(arguments: argparse.Namespace) -> Any:
    from stack_data.compiled import say_when_compiling, without_blas
    from stack_data.search.index import open_index

    without_blas()

    if not arguments.json:
        say_when_compiling()

    return open_index(arguments.index, lists_of(arguments))


def _snippet(arguments: argparse.Namespace) -> int:
    from stack_data.search.answer import as_json
    from stack_data.search.lookup_text import snippet_text
    from stack_data.search.query import match

    text = _text_of(arguments.file)
    answer = match(_open(arguments), text, arguments.language)
    say(arguments, as_json(answer), "" if arguments.json else snippet_text(answer, arguments.all))
    return 0


def _text_of(name: str) -> str:
    """Return the text of a file, or of standard input for `-`."""
    from stack_data.reasons import Reason
    from stack_data.text import text_of

    raw = _bytes_of(name, MAX_SNIPPET + 1)
    text = Reason.TOO_LARGE if len(raw) > MAX_SNIPPET else text_of(raw)
    if isinstance(text, Reason):
        raise InputError(f"{'standard input' if name == '-' else name} cannot be searched: {text.meaning}")
    return text


def _bytes_of(name: str, most: int = -1) -> bytes:
    """Return the bytes of a file, or of standard input for `-`, up to so many."""
    try:
        if name == "-":
            return sys.stdin.buffer.read(most)
        with Path(name).open("rb") as file:
            return file.read(most)
    except OSError as error:
        raise InputError(f"{name}: {error.strerror}") from error


def _repository(arguments: argparse.Namespace) -> int:
    return _owned(arguments, needs_repository=True)


def _owner(arguments: argparse.Namespace) -> int:
    return _owned(arguments, needs_repository=False)


def _owned(arguments: argparse.Namespace, needs_repository: bool) -> int:
    from stack_data.search import owners
    from stack_data.search.aliases import aliases_of, build_around
    from stack_data.search.dropped import dropped
    from stack_data.search.lookup_text import owned_text, page_text

    first, count = _page_of(arguments)
    if not arguments.list and (arguments.first, arguments.count) != (None, None):
        raise ConfigError("--first and --count page through a list; say which with --list files, exact or near")
    index = _open(arguments)
    build = arguments.build or build_around(arguments.index)
    aliases = aliases_of(build, arguments.index, lists_of(arguments)) if build else None
    asked = owners.asked_in(index, arguments.name)
    if needs_repository and not asked.repo:
        raise ConfigError(f"{asked.name!r} is an owner; write host/owner/repo, or ask: search owner")
    if arguments.list:
        is_files = arguments.list == "files"
        page = (
            owners.files(index, asked, first, count, aliases)
            if is_files
            else owners.copies(index, asked, arguments.list, first, count, aliases)
        )
        say(arguments, page.to_json(), page_text(page, index.searched))
        return 0
    found = owners.owner(index, asked, aliases)
    left_out = dropped(arguments.build).of(asked, aliases.gone) if arguments.build and aliases else None
    called = owners.called(index, asked) if not found.released.files and not asked.repo else ()
    say(arguments, found.to_json() | {"dropped": left_out, "called": list(called)}, owned_text(found, left_out, called))
    return 0


def _file(arguments: argparse.Namespace) -> int:
    from stack_data.identity import content_id
    from stack_data.search.files_lookup import file
    from stack_data.search.lookup_text import file_text

    path = Path(arguments.id)
    if path.is_dir():
        raise ConfigError(f"{path} is a folder; look for all its files with: search scan INDEX {path}")
    is_file = arguments.id == "-" or path.exists()
    asked = content_id(_bytes_of(arguments.id)) if is_file else arguments.id
    found = file(_open(arguments), asked)
    say(arguments, found, file_text(found, arguments.all))
    return 0


def _text(arguments: argparse.Namespace) -> int:
    from stack_data.search.keyword_index import KeywordIndex
    from stack_data.search.lookup_text import files_text

    page = _page_of(arguments)
    found = KeywordIndex(_open(arguments)).search(arguments.query, *page)
    say(arguments, found.to_json(), files_text(found, sys.stdout.isatty()))
    return 0


def _own(arguments: argparse.Namespace, index: Any) -> list[Any]:
    """Return whose code a scan leaves out: the names that were given, and what the build knows them by too."""
    from stack_data.search import owners
    from stack_data.search.aliases import aliases_of, build_around

    own = [owners.asked_in(index, one) for one in arguments.own]
    build = build_around(arguments.index)
    aliases = aliases_of(build, arguments.index, lists_of(arguments)) if own and build else None
    others = [[owners.asked_in(index, alias.target) for alias in aliases.of(one)] if aliases else [] for one in own]
    for name, one, known in zip(arguments.own, own, others, strict=True):
        if not any(owners.owner(index, asked).released.files for asked in (one, *known)):
            sys.stderr.write(f"fairstack: the index has nothing of {name}, so nothing is left out for it\n")
    return own + [asked for known in others for asked in known]


def _scan(arguments: argparse.Namespace) -> int:
    from importlib.metadata import version

    from stack_data import storage
    from stack_data.search.checkout import files_of, limits_of
    from stack_data.search.files_lookup import find
    from stack_data.search.query import match
    from stack_data.search.sarif import sarif
    from stack_data.search.scan import scan
    from stack_data.search.scan_report import scan_json, scan_text

    if arguments.max_bytes < 1 or arguments.max_file_bytes < 1:
        raise ConfigError("--max-bytes and --max-file-bytes are at least 1")
    if arguments.sarif and not arguments.sarif.absolute().parent.is_dir():
        raise ConfigError(f"--sarif {arguments.sarif}: there is no folder {arguments.sarif.parent}")
    gc.enable()
    index, progress = _open(arguments), progress_of(arguments)
    own = _own(arguments, index)
    progress.begin("scan", None, None)
    with files_of(
        arguments.target, limits_of(arguments.max_bytes, arguments.max_file_bytes), tuple(arguments.exclude)
    ) as files:
        done = scan(
            index, arguments.target, files, match, lambda ids: find(index, ids), own=own, workers=os.cpu_count() or 1,
            advance=lambda size: progress.advance(1, size),
        )  # fmt: skip
    progress.end()
    if arguments.sarif:
        storage.write_json(arguments.sarif, sarif(done, version("fairstack")))
    say(arguments, scan_json(done), scan_text(done))
    return 0
