"""The model that training goes on from: `--init DIR`, a checkpoint of StarCoder, StarCoder2 or of an own run.

Its network, its tokenizer and its licence come with it. What it was trained on is governed by no release here, except as its own
lineage says; the record of the new run states both.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

from model.lineage import record
from model.tokenizer.code_tokenizer import CodeTokenizer
from model.training.checkpoints import refuse_run
from stack_data import storage
from stack_data.errors import ConfigError, InputError


def base_facts(folder: Path) -> dict[str, Any]:
    """Return what is known of a base model: name, hash of its weights, licence ("" when it states none), and its lineage's data."""
    refuse_run(folder)
    if not (folder / "config.json").exists():
        raise InputError(f"{folder} holds no model: there is no config.json in it; name a checkpoint's folder")
    weights = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        if path.name != "optimizer.safetensors":
            weights.update(f"{path.name} {storage.sha256_file(path)}\n".encode())
    known = record.read(folder) if (folder / record.NAME).exists() else {}
    return {
        "name": folder.resolve().name, "weights_sha256": weights.hexdigest(), "license": _license(folder / "README.md"),
        "run": known.get("run"), "step": known.get("step"), "releases": known.get("releases", []),
        "suppressions": known.get("suppressions", []), "base": known.get("base"), "loss_before": {}, "loss_after": {},
    }  # fmt: skip


def _license(card: Path) -> str:
    """Return the licence that a card's front matter states."""
    if not card.exists():
        return ""
    front = re.match(r"---\n(.*?)\n---", card.read_text(encoding="utf-8", errors="replace"), re.DOTALL)
    found = re.search(r"^license:\s*[\"']?([^\s\"']+)", front[1], re.MULTILINE) if front else None
    return found[1] if found else ""


def refuse_other_tokenizer(folder: Path, tokenizer: CodeTokenizer) -> None:
    """Raise InputError when a base model comes with another tokenizer than the shards were made with."""
    if (folder / "tokenizer.json").exists() and CodeTokenizer.load(folder).identity != tokenizer.identity:
        raise InputError(
            f"the shards were made with another tokenizer than that of {folder}; make them with its own: fairstack model shards RELEASE.. "
            f"--tokenizer {folder} --out FOLDER"
        )


def refuse_other_network(wanted: Any, loaded: Any, folder: Path) -> None:
    """Raise ConfigError when [decoder] names another network than the base model's. Dropout and initial weights may differ."""
    if wanted is None:
        return
    free = {
        "attention_dropout",
        "residual_dropout",
        "embedding_dropout",
        "init_std",
        "zero_init",
        "end_of_text",
        "inner",
    }
    for name in [*(one for one in type(wanted).model_fields if one not in free), "mlp_size"]:
        before, now = getattr(loaded, name), getattr(wanted, name)
        if before != now:
            raise ConfigError(
                f"'decoder.{name}' is {now!r}, and {folder} has {before!r}; with --init, leave [decoder] out"
            )
