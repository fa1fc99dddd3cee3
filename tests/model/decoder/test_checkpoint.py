"""Checkpoints: transformers loads what is saved, its own are loaded, and a damaged one is named in one line."""

from __future__ import annotations

import json
import os
import resource
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM
from transformers.utils import logging

from model.decoder.checkpoint import load_checkpoint, load_config, save_checkpoint
from model.decoder.decoder import Decoder
from stack_data.errors import InputError, StorageError
from tests.model.decoder.networks import ours, peer, random_config, some_tokens

KINDS = {"multi-query": 1, "multi-head": 3, "grouped": 6, "starcoder2": 2}


@pytest.fixture(autouse=True)
def _quiet() -> None:
    torch.set_num_threads(1)
    logging.disable_progress_bar()


def logits(model: Any, tokens: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return model.logits(model(tokens)) if isinstance(model, Decoder) else model(tokens).logits


@pytest.mark.parametrize("seed", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("shard_bytes", [10**9, 4000], ids=["whole", "sharded"])
def test_transformers_loads_what_is_saved(tmp_path: Path, seed: int, shard_bytes: int) -> None:
    decoder = ours(peer(random_config(seed)), "eager")
    save_checkpoint(decoder, tmp_path / "saved", shard_bytes)
    assert (tmp_path / "saved" / "model.safetensors").exists() == (shard_bytes == 10**9)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "saved", attn_implementation="eager")
    tokens = some_tokens(2, 100)
    assert (logits(theirs, tokens) - logits(decoder, tokens)).abs().max() < 5e-5
    assert theirs.config.eos_token_id == 0
    again = load_checkpoint(tmp_path / "saved", "eager")
    assert again.config == decoder.config
    assert torch.equal(logits(again, tokens), logits(decoder, tokens))


@pytest.mark.parametrize("seed", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("size", ["5GB", "4KB"])
def test_what_transformers_saved_is_loaded(tmp_path: Path, seed: int, size: str) -> None:
    model = peer(random_config(seed))
    model.save_pretrained(tmp_path, max_shard_size=size)
    decoder = load_checkpoint(tmp_path)
    tokens = some_tokens(2, 100)
    assert (logits(model, tokens) - logits(decoder, tokens)).abs().max() < 5e-5
    assert decoder.config == ours(model).config
    assert all(weight.requires_grad for weight in decoder.parameters()) and not decoder.training


def test_a_model_saved_without_its_head_is_loaded(tmp_path: Path) -> None:
    config = random_config(1)
    config.tie_word_embeddings = True
    model = peer(config)
    model.transformer.save_pretrained(tmp_path)
    assert torch.equal(load_checkpoint(tmp_path).embed_tokens.weight, model.transformer.wte.weight)


def test_the_type_of_the_weights_is_kept_or_as_asked(tmp_path: Path) -> None:
    decoder = ours(peer(random_config(2))).bfloat16()
    save_checkpoint(decoder, tmp_path)
    assert load_checkpoint(tmp_path).norm.weight.dtype == torch.bfloat16
    assert load_checkpoint(tmp_path, dtype=torch.float32).norm.weight.dtype == torch.float32
    assert AutoModelForCausalLM.from_pretrained(tmp_path).dtype == torch.bfloat16


def test_equal_weights_give_equal_files(tmp_path: Path) -> None:
    decoder = ours(peer(random_config(1)))
    for name in "ab":
        save_checkpoint(decoder, tmp_path / name)
    assert {p.name: p.read_bytes() for p in (tmp_path / "a").iterdir()} == {
        p.name: p.read_bytes() for p in (tmp_path / "b").iterdir()
    }


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    save_checkpoint(ours(peer(random_config(1))), tmp_path / "saved", 4000)
    return tmp_path / "saved"


def test_a_truncated_file_is_named(saved: Path) -> None:
    path = sorted(saved.glob("*.safetensors"))[1]
    for size in (0, 5, 60, path.stat().st_size - 1):
        os.truncate(path, size)
        with pytest.raises(InputError, match=rf"{path.name} is truncated or damaged: .*; fetch it again"):
            load_checkpoint(saved)


def test_one_changed_byte_is_found_and_its_file_named(saved: Path) -> None:
    path = sorted(saved.glob("*.safetensors"))[2]
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match=rf"{path.name} was changed after it was written"):
        load_checkpoint(saved)


def test_a_changed_configuration_is_found(saved: Path) -> None:
    values = json.loads((saved / "config.json").read_text())
    (saved / "config.json").write_text(json.dumps(values | {"attn_pdrop": 0.0}))
    assert load_checkpoint(saved).config.attention_dropout == 0.0
    (saved / "config.json").write_text(json.dumps(values | {"layer_norm_epsilon": 0.5}))
    with pytest.raises(InputError, match=r"config.json was changed: norm_epsilon is 0.5, the weights are for 0.001"):
        load_checkpoint(saved)
    (saved / "config.json").write_text('{"model_type": "gpt_big')
    with pytest.raises(InputError, match=r"config.json cannot be read"):
        load_checkpoint(saved)


def test_a_missing_file_is_named(saved: Path) -> None:
    path = sorted(saved.glob("*.safetensors"))[0]
    path.unlink()
    with pytest.raises(InputError, match=rf"{path.name} does not exist"):
        load_checkpoint(saved)
    (saved / "model.safetensors.index.json").write_text("[]")
    with pytest.raises(InputError, match="index.json is damaged: it has no weight_map"):
        load_checkpoint(saved)
    (saved / "config.json").unlink()
    with pytest.raises(InputError, match=r"holds no whole checkpoint: config.json is missing"):
        load_config(saved)


def test_weights_of_another_network_are_named(tmp_path: Path) -> None:
    model = peer(random_config(1))
    model.save_pretrained(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    name = "transformer.h.0.mlp.c_fc.weight"
    for change, wanted in [
        ({name: tensors[name][:-1]}, "model.safetensors: transformer.h.0.mlp.c_fc.weight has shape"),
        ({"transformer.h.0.more": torch.ones(1)}, "model.safetensors has transformer.h.0.more, which this"),
    ]:
        save_file(tensors | change, tmp_path / "model.safetensors", {"format": "pt"})
        with pytest.raises(InputError, match=wanted):
            load_checkpoint(tmp_path)
    del tensors[name]
    save_file(tensors, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match=f"has no {name} in its weights"):
        load_checkpoint(tmp_path)


def test_tensors_that_hold_no_weights_are_skipped(tmp_path: Path) -> None:
    config = random_config(1)
    config.tie_word_embeddings = True
    peer(config).save_pretrained(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    more = {"transformer.h.0.attn.bias": torch.ones(1, 4), "lm_head.weight": tensors["transformer.wte.weight"].clone()}
    save_file(tensors | more, tmp_path / "model.safetensors", {"format": "pt"})
    load_checkpoint(tmp_path)


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    peer(random_config(1)).config.save_pretrained(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(InputError, match="only pickled weights are there, which can run code"):
        load_checkpoint(tmp_path)


def test_a_header_that_lies_about_its_length_is_refused(saved: Path) -> None:
    path = sorted(saved.glob("*.safetensors"))[0]
    path.write_bytes(struct.pack("<Q", 1 << 60) + path.read_bytes()[8:])
    with pytest.raises(InputError, match=rf"{path.name} is truncated or damaged"):
        load_checkpoint(saved)


def test_a_folder_with_a_checkpoint_is_not_written_over(saved: Path) -> None:
    before = {path: path.read_bytes() for path in saved.iterdir()}
    with pytest.raises(InputError, match="holds a checkpoint already"):
        save_checkpoint(ours(peer(random_config(1))), saved)
    assert before == {path: path.read_bytes() for path in saved.iterdir()}


def test_a_disk_that_is_full_leaves_no_checkpoint_behind(tmp_path: Path) -> None:
    decoder = ours(peer(random_config(1)))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))  # to a writer, as a full disk is
    try:
        with pytest.raises(StorageError, match="model.safetensors"):
            save_checkpoint(decoder, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []
    save_checkpoint(decoder, tmp_path)
    load_checkpoint(tmp_path)
