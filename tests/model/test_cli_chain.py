"""The verbs of the model one after the other, as a person types them: release, tokenizer, shards, training, an opt-out, what was seen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fairstack
from model.shards.shards import open_shards
from stack_data import storage
from tests.model.shards.test_drop import listed, owner, removals
from tests.model.training.runs import config_file, shards


def ran(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> Any:
    """Run a verb with --json; return what it printed."""
    capsys.readouterr()
    assert fairstack.main(["model", *words, "--json"]) == code, capsys.readouterr().err
    return json.loads(capsys.readouterr().out)


def test_from_a_release_to_what_a_checkpoint_saw(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # A release with both splits; its shards are made anew below.
    shards(tmp_path, count=24)
    manifest = next((tmp_path / "release").rglob("manifest.json"))
    one, folder = str(manifest.parent), tmp_path / "made"
    words = ("tokenizer", one, "--out", str(folder / "tokenizer"), "--vocab-size", "2048", "--sample", "1")
    trained = ran(capsys, *words)
    assert trained["new"] and not ran(capsys, *words)["new"]
    words = ("shards", one, "--tokenizer", str(folder / "tokenizer"), "--out", str(folder / "shards"))
    made = ran(capsys, *words)
    assert made["documents"] == 24 and not ran(capsys, *words)["new"]
    assert ran(capsys, "verify", str(folder / "shards"), "--release", one)["problems"] == []

    config = config_file(tmp_path)
    config.write_text(
        config.read_text().replace('["shards"]', '["made/shards"]').replace("= 600", f"= {trained['tokens']}")
    )
    first = ran(capsys, "train", str(config), "--stop-after", "4")
    assert first["step"] == 4 and ran(capsys, "verify", first["checkpoint"])["problems"] == []

    dropped = ran(capsys, "drop", str(folder / "shards"), "--suppressions", listed(tmp_path, [owner("ann")]))
    found = open_shards(folder / "shards")
    gone = np.flatnonzero(found.is_dropped)
    assert dropped["documents"] == len(gone) > 0
    ids = [found.content_ids[row].tobytes().hex() for row in gone.tolist()]
    location = removals(tmp_path, storage.sha256_file(manifest), [{"content_id": content} for content in ids])
    before = ran(capsys, "exposure", first["checkpoint"], "--removals", location)
    assert before["asked"] == len(gone) and 0 < len(before["seen"]) <= len(gone)

    # The same contents, as the shards themselves know them.
    assert ran(capsys, "exposure", first["checkpoint"], "--drops", str(folder / "shards"))["seen"] == before["seen"]

    assert (
        fairstack.main(["model", "exposure", first["checkpoint"], "--removals", str(tmp_path / "local-1.jsonl")]) == 2
    )
    assert (
        "local-1.jsonl is a suppression list; ask for what it took of shards: --drops SHARDS" in capsys.readouterr().err
    )

    last = ran(capsys, "train", str(config))
    assert ran(capsys, "train", str(config))["evaluation"] == last["evaluation"]
    after = ran(capsys, "exposure", last["checkpoint"], "--removals", location)
    # Steps 5 to 8 saw none of them.
    assert last["step"] == 8 and after["seen"] == before["seen"]

    words = ("--set", "name=further", "--set", "schedule.steps=2", "--set", "schedule.warmup=0")
    further = ran(capsys, "train", str(config), *words, "--init", last["checkpoint"])
    told = ran(capsys, "exposure", further["checkpoint"], "--removals", location)
    assert told["base"] == Path(last["checkpoint"]).name
    assert fairstack.main(["model", "exposure", further["checkpoint"], "--removals", location]) == 0
    assert "its base model step-00000008 saw other data before" in capsys.readouterr().out

    lineage = Path(last["checkpoint"]) / "lineage.json"
    lineage.write_text(lineage.read_text().replace('"step": 4', '"step": 3'))
    assert fairstack.main(["model", "exposure", last["checkpoint"], "--removals", location]) == 1
    assert "lineage.json" in capsys.readouterr().err
