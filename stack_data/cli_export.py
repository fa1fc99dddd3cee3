"""`fairstack data export`: only wiring, as in cli.py."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from stack_data.counting import counted
from stack_data.terminal import add_verb, out, progress_of


def add_verbs(verbs: Any) -> None:
    """Add the verb to the subparsers of `fairstack data`."""
    export = add_verb(
        verbs, "export", _export, "write a release as documents for training, in formats with special tokens"
    )
    export.add_argument("release", type=Path, metavar="RELEASE")
    export.add_argument("folder", type=Path, metavar="FOLDER", help="a new folder, or one with the same export")
    export.add_argument(
        "--as", dest="format", required=True, metavar="FORMAT", help="starcoder, starcoder2 or plain (docs/formats.md)"
    )
    export.add_argument("--rows", default="", choices=("files", "repositories"), help="what a document is made of")
    export.add_argument(
        "--order", default="", choices=("path", "dependency"), help="order of a repository's files (default: path)"
    )
    export.add_argument("--notebooks", default="", choices=("structured", "script"), help="how notebooks are written")
    export.add_argument(
        "--seed", type=int, default=0, metavar="N", help="another number draws other metadata (default: 0)"
    )
    export.add_argument(
        "--max-bytes", type=int, metavar="N", help="most bytes of text in a repository's row (default: 10,000,000)"
    )
    export.add_argument("--anew", action="store_true", help="replace another export in the folder")


def _export(arguments: argparse.Namespace) -> int:
    from stack_data.export.export import export
    from stack_data.export.options import Options
    from stack_data.export.prepare import LEFT_OUT

    limits = {} if arguments.max_bytes is None else {"max_bytes": arguments.max_bytes}
    options = Options(
        format=arguments.format,
        rows=arguments.rows,
        order=arguments.order,
        notebooks=arguments.notebooks,
        seed=arguments.seed,
        **limits,
    )
    done = export(arguments.release, arguments.folder, options, anew=arguments.anew, progress=progress_of(arguments))
    if arguments.json:
        out(json.dumps({"export": str(done.folder), "made": done.made, **done.counts}))
        return 0
    for reason, number in done.counts["left_out"].items():
        out(f"left out: {counted(number, 'file')}: {LEFT_OUT[reason]}")
    documents, files = (sum(done.counts[name].values()) for name in ("documents", "files"))
    state = "" if done.made else ", as it was"
    out(f"export: {counted(documents, 'document')} of {counted(files, 'file')} in {done.folder}{state}")
    return 0
