"""`fairstack model`: tokenizer, token shards, training, and what a checkpoint has seen. Only wiring, as in stack_data/cli.py.

Heavy modules are imported inside the verbs, so that `--help` is instant.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stack_data.counting import counted
from stack_data.errors import ConfigError
from stack_data.terminal import Parser, add_verb, out, progress_of, run_verb


def main(arguments: Sequence[str]) -> int:
    """Run `fairstack model ...`."""
    return run_verb(_parser(), arguments, "the last checkpoint is intact", "run the same command again to go on")


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="fairstack model", description="Train a fill-in-the-middle code model that accounts for its data."
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB", parser_class=Parser)

    tokenizer = add_verb(verbs, "tokenizer", _tokenizer, "train a tokenizer on the train split of releases")
    tokenizer.add_argument("releases", nargs="+", type=Path, metavar="RELEASE")
    tokenizer.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where it is written")
    tokenizer.add_argument("--vocab-size", type=int, default=49152, metavar="N", help="entries (default: 49,152)")
    tokenizer.add_argument(
        "--sample", type=float, default=256.0, metavar="MB", help="text it is trained on (default: 256)"
    )
    tokenizer.add_argument("--seed", type=int, default=0, metavar="N", help="seeds the sample")

    shards = add_verb(verbs, "shards", _shards, "make token shards of releases")
    shards.add_argument("releases", nargs="+", type=Path, metavar="RELEASE")
    shards.add_argument(
        "--tokenizer", type=Path, required=True, metavar="DIR", help="an own tokenizer, StarCoder's or StarCoder2's"
    )
    shards.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where they are written")

    verify = add_verb(verbs, "verify", _verify, "check every byte of token shards, or of a checkpoint")
    verify.add_argument("folder", type=Path, metavar="SHARDS|CHECKPOINT")
    verify.add_argument(
        "--release",
        action="append",
        default=[],
        type=Path,
        metavar="RELEASE",
        help="compare the texts of the shards with it too",
    )

    drop = add_verb(
        verbs, "drop", _drop, "take out of token shards what has opted out, without tokenizing the rest again"
    )
    drop.add_argument("shards", type=Path, metavar="SHARDS")
    drop.add_argument(
        "--suppressions", action="append", default=[], metavar="LIST", help="a suppression list, path or URL"
    )
    drop.add_argument(
        "--removals", action="append", default=[], metavar="LIST", help="a removal list of a release, path or URL"
    )
    drop.add_argument("--key", action="append", default=[], metavar="[ISSUER=]BASE64", help="a public key to trust")

    train = add_verb(verbs, "train", _train, "train a model, or go on training it")
    train.add_argument("config", type=Path, metavar="CONFIG", help="TOML file, e.g. configs/model-cpu-demo.toml")
    train.add_argument("--set", action="append", default=[], metavar="a.b=value", help="override one value")
    train.add_argument(
        "--init", type=Path, metavar="DIR", help="begin with this checkpoint of a StarCoder, StarCoder2 or own model"
    )
    train.add_argument(
        "--stop-after", type=int, metavar="STEP", help="save and end after this step; the same command goes on"
    )

    exposure = add_verb(verbs, "exposure", _exposure, "say what a checkpoint saw of contents that were removed later")
    exposure.add_argument("checkpoint", type=Path, metavar="CHECKPOINT")
    exposure.add_argument(
        "--removals", action="append", default=[], metavar="LIST", help="a removal list of a release, path or URL"
    )
    exposure.add_argument(
        "--drops",
        action="append",
        default=[],
        type=Path,
        metavar="SHARDS",
        help="token shards: all that was dropped from them",
    )
    exposure.add_argument("--content", action="append", default=[], metavar="ID", help="one content id")
    exposure.add_argument("--key", action="append", default=[], metavar="BASE64", help="a public key to trust")
    return parser


def _say(arguments: argparse.Namespace, value: Any, text: str) -> None:
    out(json.dumps(value) if arguments.json else text)


def _train(arguments: argparse.Namespace) -> int:
    from model.training.config_file import load

    if arguments.stop_after is not None and arguments.stop_after < 1:
        raise ConfigError(f"--stop-after is {arguments.stop_after}; it must be at least 1")
    config = load(arguments.config, arguments.set)
    # A mistake in the configuration is told before torch is loaded, which takes seconds.
    from model.lineage import record
    from model.training.journal import Bar, Lines, Silent
    from model.training.run import train

    show = (lambda steps, first: Silent()) if arguments.json else Bar if sys.stderr.isatty() else Lines
    done = train(
        config, arguments.config.resolve().parent, init=arguments.init, show=show, progress=progress_of(arguments),
        stop_after=arguments.stop_after,
    )  # fmt: skip
    if done.rank:
        return 0
    measured = done.measured.to_json() if done.measured else record.read(done.checkpoint).get("evaluation")
    value = {
        "run": str(done.folder), "checkpoint": str(done.checkpoint), "step": done.step,
        "loss": done.loss if math.isfinite(done.loss) else None, "evaluation": measured,
        "tokens_per_second": round(done.tokens_per_second, 1),
    }  # fmt: skip
    score = f", {measured['bits_per_byte']:.3f} bits per byte held out" if measured else ""
    filled = ""
    if measured and measured.get("fim_items"):
        filled = f", {measured['fim_psm']} (prefix first) and {measured['fim_spm']} (suffix first) of {counted(measured['fim_items'], 'line')} filled in"
    _say(arguments, value, f"train: {counted(done.step, 'step')}{score}{filled}; {done.checkpoint}")
    return 0


def _exposure(arguments: argparse.Namespace) -> int:
    import re

    from model.lineage import record
    from model.lineage.exposure import NAME, exposure
    from model.shards.shards import open_shards
    from model.training import checkpoints
    from stack_data import registry
    from stack_data.release.removal_list import read

    if not arguments.removals and not arguments.content and not arguments.drops:
        raise ConfigError("name what was removed: --removals LIST, --drops SHARDS, or --content ID")
    wrong = [one for one in arguments.content if not re.fullmatch(r"[0-9a-f]{40}", one)]
    if wrong:
        raise ConfigError(f"--content {wrong[0]!r} is no content id: it must be 40 lower-case hex digits")
    contents, places = list(arguments.content), 0
    for location in arguments.removals:
        raw = registry.raw(location, Path())
        if b"fairstack-suppressions/" in raw[:200]:
            raise ConfigError(
                f"--removals {location} is a suppression list; ask for what it took of shards: --drops SHARDS"
            )
        found = read(raw, location, arguments.key)
        contents += found.removal.contents.to_pylist()
        places += len(found.removal.places)
    contents += [one for folder in arguments.drops for drop in open_shards(folder).drops for one in drop.contents]
    checkpoints.refuse_run(arguments.checkpoint)
    base = record.read(arguments.checkpoint)["base"]
    checkpoints.check(arguments.checkpoint, only=(record.NAME, NAME))
    seen = exposure(arguments.checkpoint, contents)
    if arguments.json:
        value = {"asked": len(set(contents)), "places": places, "seen": [one.to_json() for one in seen]}
        _say(arguments, value | {"base": base["name"] if base else None}, "")
        return 0
    for one in seen:
        clean = "no checkpoint before"
        if one.last_clean:
            is_kept = checkpoints.path_of(arguments.checkpoint.absolute().parent, one.last_clean).is_dir()
            clean = f"last checkpoint before: step {one.last_clean:,}" + ("" if is_kept else ", which is not kept here")
        out(
            f"{one.content_id}  first seen in step {one.first_step:,}, {counted(one.times, 'piece')}, last in step {one.last_step:,}; {clean}"
        )
    told = f"; {counted(places, 'entry', 'entries')} of the list name places of contents that stay" if places else ""
    out(f"exposure: {len(seen):,} of {counted(len(set(contents)), 'content')} seen by {arguments.checkpoint}{told}")
    if base:
        out(
            f"this is what the run itself saw: its base model {base['name']} saw other data before, which only that model's own checkpoint tells of"
        )
    return 0


def _tokenizer(arguments: argparse.Namespace) -> int:
    from model.tokenizer.train import REPORT_TEXT, train_tokenizer

    made = train_tokenizer(
        arguments.releases, arguments.vocab_size, arguments.seed, round(arguments.sample * 1e6), arguments.out,
        progress=progress_of(arguments),
    )  # fmt: skip
    value = {
        "tokenizer": str(made.folder),
        "identity": made.identity,
        "tokens": made.vocab_size,
        "new": made.report is not None,
    }
    if not arguments.json:
        out((made.folder / REPORT_TEXT).read_text(encoding="utf-8").rstrip())
    _say(
        arguments,
        value,
        f"tokenizer: {counted(made.vocab_size, 'token')} in {made.folder}" + ("" if made.report else ", as before"),
    )
    return 0


def _shards(arguments: argparse.Namespace) -> int:
    from model.shards.build import build_shards
    from stack_data.report.attrition import human_bytes

    made = build_shards(arguments.releases, arguments.tokenizer, arguments.out, progress=progress_of(arguments))
    value = {
        "shards": str(made.folder), "documents": made.num_documents, "tokens": made.num_tokens, "bytes": made.num_bytes, "new": made.is_new,
    }  # fmt: skip
    text = f"{counted(made.num_documents, 'document')}, {counted(made.num_tokens, 'token')} of {human_bytes(made.num_bytes)}"
    _say(arguments, value, f"shards: {text} in {made.folder}" + ("" if made.is_new else ", as before"))
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    from model.lineage.record import NAME

    if (arguments.folder / NAME).exists():
        from model.training.checkpoints import check

        files = len(check(arguments.folder).outputs)
        _say(arguments, {"files": files, "problems": []}, f"verify: {counted(files, 'file')} checked, all sound")
        return 0
    from model.shards.verify import verify_shards
    from model.training.checkpoints import refuse_run

    refuse_run(arguments.folder)
    found = verify_shards(arguments.folder, arguments.release)
    value = {
        "files": found.num_files, "documents": found.num_documents, "texts": found.num_texts, "problems": found.problems,
    }  # fmt: skip
    if not arguments.json:
        for problem in found.problems:
            out(problem)
    state = "all sound" if not found.problems else counted(len(found.problems), "problem")
    compared = f", {counted(found.num_texts, 'text')} compared" if arguments.release else ""
    _say(
        arguments,
        value,
        f"verify: {counted(found.num_files, 'file')} and {counted(found.num_documents, 'document')} checked{compared}, {state}",
    )
    return 1 if found.problems else 0


def _drop(arguments: argparse.Namespace) -> int:
    from model.shards.drop import drop

    keys: dict[str, list[str]] = {}
    plain = []
    for one in arguments.key:
        issuer, sign, key = one.partition("=")
        # Base64 may end in signs of equality; an issuer's key has something before the first and after it.
        if sign and key.strip("="):
            keys.setdefault(issuer, []).append(key)
        else:
            plain.append(one)
    done = drop(
        arguments.shards, lists=arguments.suppressions, removal_lists=arguments.removals, keys=keys, removal_keys=plain
    )  # fmt: skip
    value = {
        "documents": done.num_documents,
        "tokens": done.num_tokens,
        "places": done.num_places,
        "record": done.record and done.record.number,
    }
    gone = f"{counted(done.num_documents, 'document')} of {counted(done.num_tokens, 'token')} dropped"
    text = (
        f"{gone}, {counted(done.num_places, 'place')} forgotten"
        if done.record
        else f"{arguments.shards} follows these lists already"
    )
    _say(arguments, value, f"drop: {text}")
    return 0
