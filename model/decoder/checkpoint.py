"""Checkpoints of decoders, in Hugging Face's layout: what transformers saves is loaded, what is saved transformers loads.

Reads and writes `config.json`, `model.safetensors` or its shards with `model.safetensors.index.json`; writes
`generation_config.json`. Every file appears whole or not at all, and config.json last, so a folder with one is complete.
Each weights file carries, as metadata that other readers skip, the SHA-256 of its tensors and the network it is for: a
changed byte is found when it is loaded, in the weights or in config.json. Files of others have neither and are checked
for names, shapes and lengths. Not covered: pickled weights (they can run code), quantised weights, adapters.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from model.decoder.checkpoint_names import IGNORED_ENDINGS, TIED, Stored, stored_weights
from model.decoder.config import DecoderConfig
from model.decoder.decoder import Decoder
from model.decoder.sharded import put
from stack_data import storage
from stack_data.errors import InputError

CONFIG, WEIGHTS, INDEX, GENERATION = "config.json", "model.safetensors", "model.safetensors.index.json", "generation_config.json"  # fmt: skip
SHARD_BYTES = 5 * 10**9
_TYPES = {torch.float64: "F64", torch.float32: "F32", torch.bfloat16: "BF16", torch.float16: "F16"}
_DIGEST, _NETWORK = "fairstack.sha256", "fairstack.network"
# What may differ between a file of weights and config.json: nothing that changes the result outside training.
_FREE = {"attention_dropout", "residual_dropout", "embedding_dropout", "init_std", "zero_init", "end_of_text"}


def save_checkpoint(decoder: Decoder, folder: Path, shard_bytes: int = SHARD_BYTES) -> None:
    """Write a decoder's weights and configuration into a folder that holds no checkpoint yet.

    shard_bytes: most bytes of one file of weights. Raises InputError for a folder that has a checkpoint, StorageError when
    the disk refuses: config.json is then missing, and the folder is refused when loaded.
    """
    if (folder / CONFIG).exists():
        raise InputError(f"{folder} holds a checkpoint already; save into another folder, or remove it")
    weights = dict(decoder.named_parameters())
    tensors = {
        name: tensor.detach().cpu().contiguous()
        for stored in stored_weights(decoder.config)
        for name, tensor in zip(stored.theirs, stored.split(weights[stored.ours]), strict=True)
    }
    _write_weights(tensors, folder, _network(decoder.config), shard_bytes)
    end = decoder.config.end_of_text
    storage.write_json(folder / GENERATION, {"bos_token_id": end, "eos_token_id": end})
    dtype = str(decoder.embed_tokens.weight.dtype).removeprefix("torch.")
    storage.write_json(folder / CONFIG, decoder.config.to_huggingface(dtype))


def load_checkpoint(
    folder: Path, attention: str = "auto", dtype: torch.dtype | None = None, device: torch.device | str = "cpu"
) -> Decoder:
    """Return the decoder of a folder, in evaluation mode. dtype: of the weights; None: as stored.

    Raises InputError naming the file that is missing, damaged, tampered with, or not of this network.
    """
    config = load_config(folder)
    with torch.device("meta"):
        decoder = Decoder(config, attention)
    weights = {name: weight.to(device, dtype) for name, weight in _weights(folder, _files(folder), config)}
    decoder.load_state_dict(weights, assign=True)
    return decoder.requires_grad_(True).eval()


def load_weights(decoder: Decoder, folder: Path) -> None:
    """Set the weights of a decoder of the folder's network, or the parts of them that this rank has; InputError as above."""
    own = dict(decoder.named_parameters())
    for name, weight in _weights(folder, _files(folder), decoder.config):
        put(weight, own[name])


def load_config(folder: Path) -> DecoderConfig:
    """Return the configuration of a checkpoint's folder; InputError when it has none that can be used."""
    if not (folder / CONFIG).is_file():
        raise InputError(f"{folder} holds no whole checkpoint: {CONFIG} is missing; name a folder that has one")
    values = storage.read_json(folder / CONFIG)
    if not isinstance(values, dict):
        raise InputError(f"{folder / CONFIG} is damaged: it holds no table")
    return DecoderConfig.from_huggingface(values, str(folder / CONFIG))


def _network(config: DecoderConfig) -> str:
    # As it will be read back: what config.json does not hold has its default there.
    read = DecoderConfig.from_huggingface(config.to_huggingface())
    return json.dumps(read.model_dump(exclude=_FREE), sort_keys=True)


def _write_weights(tensors: Mapping[str, Tensor], folder: Path, network: str, shard_bytes: int) -> None:
    shards = list(_shards(tensors, shard_bytes))
    names = [WEIGHTS] if len(shards) == 1 else [_shard_name(n, len(shards)) for n in range(1, len(shards) + 1)]
    for name, shard in zip(names, shards, strict=True):
        with storage.replacing(folder / name) as temporary:
            _write_file(shard, temporary, {"format": "pt", _DIGEST: _digest(shard.items()), _NETWORK: network})
    if len(shards) > 1:
        total = sum(tensor.nbytes for tensor in tensors.values())
        places = {key: name for name, shard in zip(names, shards, strict=True) for key in shard}
        storage.write_json(folder / INDEX, {"metadata": {"total_size": total}, "weight_map": places})


def _write_file(shard: Mapping[str, Tensor], path: Path, metadata: Mapping[str, str]) -> None:
    """Write a safetensors file: length of the header, header, tensors.

    The library's own writer puts metadata in an order that changes from run to run; equal weights shall give equal bytes.
    """
    header: dict[str, Any] = {"__metadata__": dict(sorted(metadata.items()))}
    names = sorted(shard, key=lambda name: (-shard[name].element_size(), name))  # wide types first keep all aligned
    end = 0
    for name in names:
        begin, end = end, end + shard[name].nbytes
        kind = _TYPES[shard[name].dtype]
        header[name] = {"dtype": kind, "shape": list(shard[name].shape), "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name in names:
            file.write(_bytes(shard[name]))


def _bytes(tensor: Tensor) -> memoryview:
    return tensor.contiguous().flatten().view(torch.uint8).numpy().data


def _shards(tensors: Mapping[str, Tensor], shard_bytes: int) -> Iterator[dict[str, Tensor]]:
    shard: dict[str, Tensor] = {}
    size = 0
    for name, tensor in tensors.items():
        if shard and size + tensor.nbytes > shard_bytes:
            yield shard
            shard, size = {}, 0
        shard[name] = tensor
        size += tensor.nbytes
    yield shard


def _shard_name(number: int, count: int) -> str:
    return f"model-{number:05d}-of-{count:05d}.safetensors"


def _digest(tensors: Iterable[tuple[str, Tensor]]) -> str:
    """Return the SHA-256 over names, types, shapes and bytes of tensors, by name."""
    found = hashlib.sha256()
    for name, tensor in sorted(tensors):
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        found.update(_bytes(tensor))
    return found.hexdigest()


def _files(folder: Path) -> list[Path]:
    if (folder / INDEX).exists():
        index = storage.read_json(folder / INDEX)
        places = index.get("weight_map") if isinstance(index, dict) else None
        if not isinstance(places, dict) or not all(isinstance(name, str) for name in places.values()):
            raise InputError(f"{folder / INDEX} is damaged: it has no weight_map")
        return [folder / Path(name).name for name in sorted(set(places.values()))]
    if not (folder / WEIGHTS).exists():
        pickled = (folder / "pytorch_model.bin").exists() or list(folder.glob("pytorch_model-*.bin"))
        hint = (
            "only pickled weights are there, which can run code: convert them to safetensors" if pickled else "fetch it"
        )
        raise InputError(f"{folder / WEIGHTS} does not exist; {hint}")
    return [folder / WEIGHTS]


def _weights(folder: Path, files: list[Path], config: DecoderConfig) -> Iterator[tuple[str, Tensor]]:
    """Yield our weights by name; InputError for what is missing, superfluous or of another shape."""
    found: dict[str, Tensor] = {}
    origin: dict[str, Path] = {}
    for path in files:
        for name, tensor in _read(path, config).items():
            name = _full_name(name, config)
            found[name], origin[name] = tensor, path
    with torch.device("meta"):
        shapes = {name: weight.shape for name, weight in Decoder(config).named_parameters()}
    for stored in stored_weights(config):
        yield stored.ours, _weight(stored, found, origin, shapes[stored.ours], folder)
    if config.tie_embeddings:
        found.pop(TIED, None)
    for name in found:
        if not name.endswith(IGNORED_ENDINGS):
            raise InputError(
                f"{origin[name]} has {name}, which this {config.architecture} has not; is {CONFIG} its own?"
            )


def _weight(
    stored: Stored, found: dict[str, Tensor], origin: dict[str, Path], shape: torch.Size, folder: Path
) -> Tensor:
    tensors = []
    for name in stored.theirs:
        if name not in found:
            raise InputError(f"{folder} has no {name} in its weights; fetch all of its files again")
        tensors.append(found.pop(name))
    rows = sum(len(tensor) if tensor.ndim else 0 for tensor in tensors)
    if rows != shape[0] or any(tensor.shape[1:] != shape[1:] for tensor in tensors):
        name = stored.theirs[0]
        seen = " and ".join(str(tuple(tensor.shape)) for tensor in tensors)
        raise InputError(f"{origin[name]}: {name} has shape {seen}, and {CONFIG} asks for {tuple(shape)}")
    return stored.join(tensors)


def _read(path: Path, config: DecoderConfig) -> dict[str, Tensor]:
    """Return the tensors of one file, checked against what it says of itself."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata: dict[str, Any] = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dict)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; fetch all files of the checkpoint") from None
    except (OSError, SafetensorError, ValueError) as error:
        raise InputError(f"{path} is truncated or damaged: {storage.first_line(error)}; fetch it again") from error
    network = metadata.get(_NETWORK)
    if network is not None and network != _network(config):
        raise InputError(f"{path.parent / CONFIG} was changed: {_difference(network, config)}; restore it")
    if _DIGEST in metadata and metadata[_DIGEST] != _digest(tensors.items()):
        raise InputError(f"{path} was changed after it was written: its SHA-256 differs; fetch it again")
    return tensors


def _difference(network: str, config: DecoderConfig) -> str:
    try:
        saved = json.loads(network)
        seen = config.model_dump(exclude=_FREE)
        return next(
            f"{key} is {seen[key]!r}, the weights are for {saved[key]!r}" for key in seen if seen[key] != saved[key]
        )
    except (ValueError, KeyError, StopIteration):
        return "the weights are for another network"


def _full_name(name: str, config: DecoderConfig) -> str:
    """Return the name with the prefix that a model saved without its head lacks."""
    prefix = "transformer." if config.architecture == "gpt_bigcode" else "model."
    return name if name == TIED or name.startswith(prefix) else prefix + name
