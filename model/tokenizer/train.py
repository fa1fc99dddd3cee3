"""Learning a tokenizer from releases: byte-level BPE by the `tokenizers` library, saved so that `transformers.AutoTokenizer` loads it.

Reads releases; writes tokenizer.json, tokenizer_config.json, special_tokens_map.json, report.json, report.txt and, last, manifest.json, which
names the releases and the opt-out epochs that they follow. Same inputs: nothing to do. Other inputs in the same folder: refused. The same
inputs give the same bytes, however many threads the library uses.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.shards.sources import Source, epochs_of, read_sources
from model.tokenizer.code_tokenizer import CodeTokenizer
from model.tokenizer.report import Report, report_of
from model.tokenizer.sample import draw
from model.tokenizer.special import SPECIAL_TOKENS
from stack_data import manifest, storage
from stack_data.errors import ConfigError, InputError, StaleBuildError
from stack_data.manifest import Manifest, Output, Plan
from stack_data.progress import Progress, Silent

RULE_VERSION = 1
LEAST, MOST = 2048, 65536
MANIFEST, REPORT, REPORT_TEXT = "manifest.json", "report.json", "report.txt"
FILES = ("special_tokens_map.json", "tokenizer.json", "tokenizer_config.json", REPORT, REPORT_TEXT)
_END = SPECIAL_TOKENS[0]


@dataclass(frozen=True, slots=True)
class Trained:
    """A tokenizer in its folder. report: None when it was there already (report.json has it)."""

    folder: Path
    identity: str
    vocab_size: int
    report: Report | None


def train_tokenizer(
    releases: Sequence[Path], vocab_size: int, seed: int, sample_bytes: int, folder: Path, *, progress: Progress | None = None
) -> Trained:  # fmt: skip
    """Learn a tokenizer of at most `vocab_size` tokens from about `sample_bytes` of the releases' train split.

    Raises ConfigError for a size out of bounds, InputError when a release is none or damaged, StaleBuildError when the folder holds a
    tokenizer that was made differently, StorageError when the disk refuses.
    """
    if not LEAST <= vocab_size <= MOST:
        raise ConfigError(f"vocabulary is {vocab_size}; it must be {LEAST} to {MOST}")
    if sample_bytes < 1:
        raise ConfigError(f"sample is {sample_bytes} bytes; it must be at least 1")
    sources = read_sources(releases)
    plan = _plan(sources, vocab_size, seed, sample_bytes)
    with storage.locked(folder):
        if _is_made(folder, plan):
            read = CodeTokenizer.load(folder)
            return Trained(folder, read.identity, read.vocab_size, None)
        report = _make(folder, sources, vocab_size, seed, sample_bytes, progress or Silent())
        counts = {"tokens": report.vocab_size, "documents": report.sample.documents, "bytes": report.sample.bytes}
        Manifest(plan.to_json(), {name: Output.of(folder / name, "none") for name in FILES}, counts).write(
            folder / MANIFEST
        )
        return Trained(folder, report.identity, report.vocab_size, report)


def _plan(sources: Sequence[Source], vocab_size: int, seed: int, sample_bytes: int) -> Plan:
    import tokenizers

    inputs = {
        f"{source.release.label}/data/{shard.name}": shard.data_sha256
        for source in sources
        for shard in source.shards
        if "/train-" in shard.name
    }
    said = [
        {"name": one.release.name, "version": one.release.version, "identity": one.release.identity} for one in sources
    ]
    config = {"vocab_size": vocab_size, "seed": seed, "sample_bytes": sample_bytes, "releases": said}
    return Plan(
        kind="tokenizer", inputs=inputs, config=config, rules={"tokenizer": RULE_VERSION}, lists=epochs_of(sources),
        writer=f"tokenizers {tokenizers.__version__}",
    )  # fmt: skip


def _is_made(folder: Path, plan: Plan) -> bool:
    """Tell whether the folder holds what the plan makes; StaleBuildError when it holds another tokenizer, InputError something else."""
    known = manifest.read_if_present(folder / MANIFEST)
    if known is None:
        strangers = sorted(
            name for name in os.listdir(folder)
            if name not in (*FILES, storage.LOCK_NAME) and not name.endswith(".tmp")
        )  # fmt: skip
        if strangers or ((folder / "tokenizer.json").exists() and not (folder / REPORT).exists()):
            raise InputError(
                f"{folder} holds {strangers[0] if strangers else 'a tokenizer that was not made here'}; name a new or empty folder"
            )
        return False
    found = manifest.differences(known.plan, json.loads(json.dumps(plan.to_json())))
    if found:
        raise StaleBuildError(
            f"{folder} holds a tokenizer that was made differently ({manifest.told(found)}); name a new folder"
        )
    return True


def _make(
    folder: Path, sources: Sequence[Source], vocab_size: int, seed: int, sample_bytes: int, progress: Progress
) -> Report:
    learned, measured = draw(sources, seed, sample_bytes, sample_bytes // 4, progress)
    progress.begin("sample", len(learned.order) + len(measured.order), None)
    sample, held_out = learned.texts(progress), measured.texts(progress)
    progress.end()
    made = _learned([text for _, text in sample], vocab_size, progress)
    # The report's file first: what a killed run leaves is known as ours by it.
    storage.write_json(folder / REPORT, {})
    storage.write_text(folder / "tokenizer.json", made)
    storage.write_json(folder / "tokenizer_config.json", _config())
    storage.write_json(folder / "special_tokens_map.json", _special_map())
    report = report_of(CodeTokenizer.load(folder), vocab_size, sample, held_out, progress)
    storage.write_text(folder / REPORT_TEXT, report.text())
    storage.write_json(folder / REPORT, report.to_json())
    return report


def _learned(texts: Sequence[str], vocab_size: int, progress: Progress) -> str:
    """Return the tokenizer.json that the library learns from texts. Most of its time goes by while it takes them, which is what is told."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    made.decoder = decoders.ByteLevel()
    made.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, special_tokens=list(SPECIAL_TOKENS), initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )  # fmt: skip
    sizes = [len(text.encode()) for text in texts]
    progress.begin("learn", len(texts), sum(sizes))
    made.train_from_iterator(_told(texts, sizes, progress), trainer, length=len(texts))
    progress.end()
    return str(made.to_str(pretty=True))


def _told(texts: Sequence[str], sizes: Sequence[int], progress: Progress) -> Iterator[str]:
    """Yield texts, and tell of each that it is done when the next one is asked for."""
    for text, size in zip(texts, sizes, strict=True):
        yield text
        progress.advance(1, size)


def _config() -> dict[str, Any]:
    """Return tokenizer_config.json: the class that reads tokenizer.json as it is."""
    return {
        "add_prefix_space": False, "additional_special_tokens": list(SPECIAL_TOKENS), "bos_token": _END, "clean_up_tokenization_spaces": False,
        "eos_token": _END, "model_max_length": 1_000_000_000, "tokenizer_class": "PreTrainedTokenizerFast", "unk_token": _END,
    }  # fmt: skip


def _special_map() -> dict[str, Any]:
    return {"additional_special_tokens": list(SPECIAL_TOKENS), "bos_token": _END, "eos_token": _END, "unk_token": _END}
