"""What a checkpoint states of the machine that it was made on: nothing, also where every setting names an absolute path."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic import BaseModel

from model.decoder.config import DecoderConfig
from model.decoder.decoder import Decoder
from model.lineage import published
from model.training.config import ModelConfig
from model.training.saving import write_model
from stack_data.optout import lists
from tests.model.shards.shards_made import tokenizer_folder
from tests.model.training.runs import config_file, shards, trained

NO_PATHS = {"name", "title", "license", "optout.keys", "mixture.replay"}
"""Settings of text that name no file."""


def test_no_file_of_a_checkpoint_tells_where_anything_lay(tmp_path: Path) -> None:
    home = tmp_path / "home" / "jane-of-the-team"
    folder = shards(home, lists={"local": 2})
    config_file(home)
    (home / "list.jsonl").write_text(
        lists.write(lists.SuppressionList(issuer="local", epoch=2, created="2026-01-01", entries=()))
    )
    settings = (
        "schedule.steps=2", f"data.shards=['{folder}']", f"data.old_shards='{folder}'", f"data.tokenizer='{tokenizer_folder()}'",
        f"optout.lists=['{home / 'list.jsonl'}']", f"run.folder='{home / 'models'}'",
    )  # fmt: skip
    base = trained(home, "name=first", *settings).checkpoint
    done = trained(home, "name=second", *settings, init=base)
    files = [path for path in done.checkpoint.iterdir() if path.suffix in (".json", ".md")]
    assert {"lineage.json", "README.md", "config.json", "trainer.json", "manifest.json"} <= {
        path.name for path in files
    }
    for path in done.checkpoint.iterdir():
        raw = path.read_bytes()
        for place in (home, tmp_path, Path.home(), tokenizer_folder().parent):
            assert str(place).encode() + b"/" not in raw, (path.name, place)
        assert b"jane-of-the-team" not in raw
    for path in files:
        if path.name == "tokenizer.json":  # its tokens are pieces of text
            continue
        assert not re.search(r'"(/|~|[A-Z]:\\)[^"]*"', path.read_text()), path.name
    config = json.loads((done.checkpoint / "lineage.json").read_text())["config"]
    assert config["data"] == {
        "releases": [],
        "shards": ["shards"],
        "tokenizer": tokenizer_folder().name,
        "old_shards": "shards",
    }
    assert (config["optout"]["lists"], config["run"]["folder"]) == (["list.jsonl"], "models")
    # The run's own folder has them as they were, and the same command goes on.
    own = json.loads((done.folder / "config.json").read_text())
    assert own["data"]["shards"] == [str(folder)]
    assert trained(home, "name=second", *settings, "schedule.steps=2", init=base).checkpoint == done.checkpoint


def test_every_setting_of_text_is_known_to_be_a_path_or_none() -> None:
    def texts(model: type[BaseModel], prefix: str = "") -> set[str]:
        found = set()
        for name, field in model.model_fields.items():
            inner = [one for one in (field.annotation, *get_args(field.annotation)) if isinstance(one, type)]
            tables = [one for one in inner if issubclass(one, BaseModel)]
            found |= {key for table in tables for key in texts(table, f"{prefix}{name}.")}
            found |= {f"{prefix}{name}"} if holds_text(field.annotation) else set()
        return found

    def holds_text(annotation: Any) -> bool:
        if get_origin(annotation) is Literal:
            return False
        if get_origin(annotation) is dict:  # the keys are names: languages, kinds, issuers
            return holds_text(get_args(annotation)[1])
        return annotation is str or any(holds_text(one) for one in get_args(annotation))

    paths = {f"{table}.{key}" for table, keys in published.PATHS.items() for key in keys}
    assert texts(ModelConfig) == paths | NO_PATHS


@pytest.mark.parametrize(
    ("location", "told"),
    [
        ("/home/jane/data/releases/1.0.0/", "1.0.0"), ("../build/demo/releases/1.0.0", "1.0.0"), ("~/shards", "shards"), ("shards", "shards"),
        ("", ""), ("..", ".."), (r"C:\Users\jane\shards", "shards"), ("https://example.org/lists/a.jsonl", "https://example.org/lists/a.jsonl"),
        ("https://jane:secret@example.org:8443/a.jsonl?token=secret#x", "https://example.org:8443/a.jsonl"),
    ],
)  # fmt: skip
def test_a_path_becomes_its_name_and_a_url_stays_without_secrets(location: str, told: str) -> None:
    assert published.name(location) == told


def test_the_tokenizers_settings_lose_the_paths_that_transformers_writes_into_them(tmp_path: Path) -> None:
    said = {
        "name_or_path": "/home/jane/models/own", "special_tokens_map_file": "/home/jane/.cache/hub/x/special_tokens_map.json",
        "tokenizer_class": "PreTrainedTokenizerFast", "from": "bigcode/starcoder2-3b", "eos_token": "</s>", "model_max_length": 8192,
        "added_tokens_decoder": {"0": {"content": "/a/b", "special": True}},
    }  # fmt: skip
    source, folder = tmp_path / "tokenizer", tmp_path / "checkpoint"
    source.mkdir()
    folder.mkdir()
    (source / "tokenizer_config.json").write_text(json.dumps(said))
    decoder = Decoder(DecoderConfig(vocab_size=9, context=8, hidden=8, layers=1, heads=1))
    write_model(folder, decoder.config, decoder.state_dict(), source)
    told = json.loads((folder / "tokenizer_config.json").read_text())
    assert told == said | {"name_or_path": "own", "special_tokens_map_file": "special_tokens_map.json"}
