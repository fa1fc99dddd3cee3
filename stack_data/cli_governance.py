"""`fairstack data`: the verbs of opt-outs, proofs and reviews. Only wiring, as in cli.py.

A verb with verbs of its own (`suppressions`) adds them below it. Secrets are printed by `new-key` alone, on standard output.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from stack_data.counting import counted
from stack_data.errors import ConfigError
from stack_data.terminal import Parser, add_verb, out, plain, progress_of

_LISTED = 20
"""Lines that were not understood which are printed one by one; --json has them all."""


def add_verbs(verbs: Any) -> None:
    """Add the verbs to the subparsers of `fairstack data`."""
    purpose = "make, check and try out suppression lists: who has opted out"
    group = verbs.add_parser("suppressions", help=purpose, description=purpose[0].upper() + purpose[1:] + ".")
    _add_suppressions(group.add_subparsers(dest="list_verb", required=True, metavar="VERB", parser_class=Parser))

    prove = add_verb(
        verbs, "prove", _prove, "prove that a release holds a content, repository or owner, or that it does not"
    )
    prove.add_argument("release", type=Path, metavar="RELEASE")
    prove.add_argument(
        "query", metavar="QUERY", help="content id (git hash-object FILE), host/owner or host/owner/repo"
    )

    review = add_verb(verbs, "review", _review, "draw files of a release for people to review, or read what they found")
    review.add_argument("build", type=Path, metavar="BUILD")
    review.add_argument("--sample", type=int, metavar="N", help="files to draw (default: 300)")
    review.add_argument("--version", metavar="X.Y.Z", help="the release; default: the newest")
    review.add_argument("--seed", type=int, metavar="S", help="another number draws other files (default: 0)")
    review.add_argument("--read", type=Path, metavar="SHEET", help="read a sheet that people filled")

    recheck = add_verb(
        verbs, "recheck", _recheck, "ask the hosts of a build's sources what is gone, moved or reserved now"
    )
    recheck.add_argument("build", type=Path, metavar="BUILD")
    recheck.add_argument("--accept-gone", action="store_true", help="believe it when most of a host is gone at once")


def _add_suppressions(verbs: Any) -> None:
    add_verb(verbs, "new-key", _new_key, "print a fresh key pair for signing lists")

    load = add_verb(
        verbs, "import", _import, "write a list out of opt-out records, or lists of owners and repositories"
    )
    load.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="JSON records, CSV, or an owner or owner/repo a line"
    )
    load.add_argument("--output", type=Path, required=True, metavar="LIST", help="the list to write")
    load.add_argument("--issuer", required=True, metavar="NAME", help="who answers for it; `local` is not signed")
    load.add_argument("--created", required=True, metavar="DATE", help="day of the list, such as 2026-11-21")
    load.add_argument("--previous", type=Path, metavar="LIST", help="the issuer's list before; nothing of it is lost")
    load.add_argument("--key", action="append", default=[], metavar="BASE64", help="a public key the previous list has")
    load.add_argument("--host", default="github.com", metavar="HOST", help="where names live (default: github.com)")
    load.add_argument(
        "--spread", default="none", choices=("none", "exact", "near"), help="copies to take along (default: none)"
    )
    load.add_argument("--set-aside", type=Path, metavar="FILE", help="write what is not understood there, and the rest")

    check = add_verb(verbs, "check", _check, "check every line and the signature of a list")
    check.add_argument("list", type=Path, metavar="LIST")
    check.add_argument("--key", action="append", default=[], metavar="BASE64", help="a public key to trust")

    sign = add_verb(verbs, "sign", _sign, "count, date and sign a list that was edited by hand, as the next epoch")
    sign.add_argument("list", type=Path, metavar="LIST")
    sign.add_argument(
        "--output", required=True, type=Path, metavar="LIST", help="the list to write; its epoch is followed"
    )
    sign.add_argument("--created", required=True, metavar="DATE", help="day of the list, such as 2026-11-21")

    email = add_verb(
        verbs, "email", _email, "hash an e-mail address under FAIRSTACK_AUTHOR_KEY, for an entry of kind email"
    )
    email.add_argument("address", metavar="ADDRESS")

    preview = add_verb(verbs, "preview", _preview, "say what a list would take out of a build; changes nothing")
    preview.add_argument("build", type=Path, metavar="BUILD")
    preview.add_argument("list", type=Path, metavar="LIST")


def _sign(arguments: argparse.Namespace) -> int:
    from stack_data import signing
    from stack_data.suppressions import sign_list

    made = sign_list(arguments.list, arguments.output, arguments.created, signing.secret_in(os.environ))
    if arguments.json:
        out(
            json.dumps(
                {
                    "list": str(arguments.output),
                    "issuer": made.issuer,
                    "epoch": made.epoch,
                    "entries": len(made.entries),
                }
            )
        )
    else:
        out(
            f"sign: {counted(len(made.entries), 'entry', 'entries')} in {arguments.output}, issuer {made.issuer}, epoch {made.epoch}"
        )
    return 0


def _email(arguments: argparse.Namespace) -> int:
    from stack_data.errors import ConfigError
    from stack_data.sources.git_history import email_hash, key_id

    key = os.environ.get("FAIRSTACK_AUTHOR_KEY", "")
    if not key:
        raise ConfigError("FAIRSTACK_AUTHOR_KEY is not set; it must be the key that builds hash their authors with")
    if "@" not in arguments.address:
        raise ConfigError(f"{arguments.address!r} is no e-mail address")
    found = {"email_hash": email_hash(key, arguments.address), "author_key_id": key_id(key)}
    if arguments.json:
        out(json.dumps(found))
    else:
        out(f"email_hash: {found['email_hash']}")
        out(f"author_key_id: {found['author_key_id']} (in the header of the list)")
    return 0


def _new_key(arguments: argparse.Namespace) -> int:
    from stack_data import signing

    secret, public = signing.new_key()
    if arguments.json:
        out(json.dumps({"secret": secret, "public": public, "key_id": signing.key_id(public)}))
        return 0
    out(f"secret: {secret}")
    out(f"  keep it where only the publisher of lists reads it; it is stored nowhere else: export {signing.SECRET}=...")
    out(f"public: {public}")
    out("  give it to everybody who uses the lists; in a build's configuration, for issuer NAME:")
    out(f'  [optout.keys]\n  NAME = ["{public}"]')
    out(f"new-key: key_id {signing.key_id(public)}")
    return 0


def _import(arguments: argparse.Namespace) -> int:
    from stack_data import signing
    from stack_data.suppressions import import_requests

    done = import_requests(
        arguments.files, arguments.output, arguments.issuer, arguments.created, previous=arguments.previous,
        host=arguments.host, spread=arguments.spread, set_aside=arguments.set_aside, secret=signing.secret_in(os.environ),
        keys=arguments.key,
    )  # fmt: skip
    if arguments.json:
        out(json.dumps(done.to_json()))
        return 0 if done.output else 1
    for one in done.set_aside[:_LISTED]:
        out(f"{one.file}: line {one.line}: {one.text!r}: {one.why}")
    number = len(done.set_aside)
    if number > _LISTED:
        out(f"and {number - _LISTED:,} more")
    if not done.output:
        what = f"{counted(number, 'line')} {'was' if number == 1 else 'were'} not understood"
        sys.stderr.write(
            plain(f"fairstack: nothing was written, because {what}; correct the list, or: --set-aside FILE\n")
        )
        return 1
    if number:
        out(f"set aside: {number:,} in {arguments.set_aside}")
    found, made = done.merged, done.merged.made
    out(
        f"import: {counted(len(made.entries), 'entry', 'entries')} in {done.output}, issuer {made.issuer}, epoch {made.epoch}: {found.new:,} new, "
        f"{found.known:,} known, {found.renewed:,} renewed"
    )
    return 0


def _check(arguments: argparse.Namespace) -> int:
    from stack_data.suppressions import check_list

    state = check_list(arguments.list, arguments.key)
    if arguments.json:
        out(json.dumps(state.to_json()))
        return 0
    told = {
        "good": f"signed by key {state.key_id}",
        "unchecked": f"signed by key {state.key_id}, which was not checked: name the issuer's public key with --key",
        "none": "not signed",
    }[state.signature]
    for kind, number in state.kinds.items():
        out(f"{kind}: {number:,}")
    total = sum(state.kinds.values())
    out(
        f"check: {counted(total, 'entry', 'entries')}, issuer {state.issuer}, epoch {state.epoch}, {state.created}, {told}"
    )
    return 0


def _preview(arguments: argparse.Namespace) -> int:
    from stack_data.optout.preview import preview, preview_text
    from stack_data.suppressions import read_candidate

    found = preview(arguments.build, read_candidate(arguments.list))
    out(json.dumps(found.to_json()) if arguments.json else preview_text(found))
    if not arguments.json:
        out(f"\npreview: {counted(found.vanish, 'content')} would leave; nothing was changed")
    return 0


def _prove(arguments: argparse.Namespace) -> int:
    from stack_data.prove import prove

    proof = prove(arguments.release, arguments.query)
    if arguments.json:
        out(json.dumps(proof))
        return 0
    out(f"{proof['query']}: {proof['claim']} in release {proof['release']['version']}")
    count = proof.get("count")
    of_owner = f", {count:,} of them the owner's" if count is not None else ""
    out(f"tree of {proof['tree']}: {counted(proof['size'], 'leaf', 'leaves')}, root {proof['root']}")
    indices = ", ".join(f"{one['index']:,}" for one in proof["leaves"]) or "none, the tree is empty"
    out(f"prove: shown by leaves {indices}{of_owner}; --json prints the proof itself")
    return 0


def _review(arguments: argparse.Namespace) -> int:
    from stack_data import review
    from stack_data.unknown_licenses import unknown_table

    if arguments.read:
        if arguments.sample is not None or arguments.seed is not None:
            raise ConfigError("--read takes a sheet that was drawn before, and no --sample or --seed")
        found = review.read_sheet(arguments.build, arguments.read, arguments.version)
        out(json.dumps(found.to_json()) if arguments.json else found.sentence())
        return 0
    size = review.SAMPLE if arguments.sample is None else arguments.sample
    sheet = review.review(arguments.build, arguments.version, size, arguments.seed or 0)
    if arguments.json:
        unknown = [one.to_json() for one in sheet.unknown]
        facts = {"sheet": str(sheet.path), "lines": sheet.num_lines, "unknown": unknown}
        out(json.dumps(facts | {"unknown_sheet": str(sheet.unknown_path)}))
        return 0
    out(unknown_table(sheet.unknown))
    out(f"all of them: {sheet.unknown_path}")
    out(f"review: {counted(sheet.num_lines, 'file')} to look at in {sheet.path}; then: --read {sheet.path}")
    return 0


def _recheck(arguments: argparse.Namespace) -> int:
    from stack_data.governance import recheck_of
    from stack_data.recheck import summary
    from stack_data.sources.remote_state import without_secrets

    found = recheck_of(arguments.build, accept_gone=arguments.accept_gone, progress=progress_of(arguments))
    if not arguments.json:
        out(summary(found))
        out(
            f"recheck: kept in {arguments.build / 'recheck.json'}; the next release leaves out what is gone or reserved"
        )
        return 0
    units = [
        {
            "source": source, "unit": without_secrets(key), "state": one.state.state, "checked": one.checked, "failed": one.failed,
            "changed": one.changed, "renamed_to": one.state.renamed_to, "withdrawn": one.state.withdrawn,
            "signals": sorted(one.state.signals),
        }
        for source, key, one in found.every()
    ]  # fmt: skip
    out(json.dumps({"date": found.date, "units": units}))
    return 0
