"""The data of a run: tokenizer and token shards, made of releases in the run's folder where the configuration names releases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from model.lineage.record import DataFacts
from model.packing.corpus import Corpus
from model.shards import drop_records
from model.shards.build import build_shards
from model.shards.shards import Shards, open_shards
from model.tokenizer.code_tokenizer import CodeTokenizer
from model.training import base_model
from model.training.config import ModelConfig
from model.training.parallel import Ranks, agree
from stack_data import registry
from stack_data.errors import InputError
from stack_data.progress import Progress


@dataclass(frozen=True, slots=True)
class Data:
    """Documents to train on and to measure with. validation: "new", and "old" where old shards are named; empty without such a split."""

    folders: tuple[Path, ...]
    tokenizer: CodeTokenizer
    train: Corpus
    validation: dict[str, Corpus]
    facts: DataFacts


def prepare(config: ModelConfig, folder: Path, home: Path, init: Path | None, ranks: Ranks, progress: Progress) -> Data:
    """Return a run's data; the first rank makes what is not there yet. folder: what paths are relative to.

    Raises InputError for data that cannot be used, StaleBuildError for shards in `home` that were made of something else.
    """
    named = tuple(folder / one for one in config.data.shards)
    folders = named or (home / "shards",)
    if not named:
        agree(ranks, lambda: _make(config, folder, home, init, progress))
    sources = tuple(open_shards(one) for one in folders)
    _refuse_twice(sources)
    tokenizer = _common_tokenizer(sources)
    if config.data.tokenizer and named:
        wanted = CodeTokenizer.load(folder / config.data.tokenizer)
        if wanted.identity != tokenizer.identity:
            raise InputError(
                f"'data.tokenizer' names {config.data.tokenizer}, and {folders[0]} was made with another tokenizer; leave it out, or make the "
                f"shards with it: fairstack model shards RELEASE.. --tokenizer {config.data.tokenizer} --out FOLDER"
            )
    if init:
        base_model.refuse_other_tokenizer(init, tokenizer)
    validation, beside = {"new": sources}, tuple[Shards, ...]()
    if config.data.old_shards:
        old = open_shards(folder / config.data.old_shards)
        _refuse_other(CodeTokenizer.load(old.tokenizer), tokenizer, old.folder)
        validation["old"] = beside = (old,)
    found = {name: corpus for name, one in validation.items() if (corpus := _validation(one)) is not None}
    train = Corpus.of(sources, beside=beside)
    return Data(folders, tokenizer, train, found, facts_of(sources, tokenizer, beside))


def _refuse_twice(sources: Sequence[Shards]) -> None:
    """Raise InputError when a split of a release is in two folders: it would be drawn twice as often as the mixture says."""
    seen: dict[tuple[str, str], Shards] = {}
    for source in sources:
        config = source.manifest.plan["config"]
        for release in config["releases"]:
            for split in config["splits"]:
                other = seen.setdefault((release["identity"], split), source)
                if other is not source:
                    raise InputError(
                        f"{other.folder} and {source.folder} both hold {release['name']} {release['version']}; name each release in one folder of "
                        "shards"
                    )


def _make(config: ModelConfig, folder: Path, home: Path, init: Path | None, progress: Progress) -> None:
    """Make the tokenizer and the shards of a run's releases, where they are not there yet."""
    from model.tokenizer.train import train_tokenizer

    releases = [folder / one for one in config.data.releases]
    tokenizer = folder / config.data.tokenizer if config.data.tokenizer else home / "tokenizer"
    if init and not config.data.tokenizer:
        tokenizer = init
    elif not config.data.tokenizer:
        size = config.tokenizer.vocab_size or (config.decoder.vocab_size if config.decoder else 49152)
        train_tokenizer(releases, size, config.train.seed, config.tokenizer.sample_bytes, tokenizer, progress=progress)
    build_shards(releases, tokenizer, home / "shards", progress=progress)


def _common_tokenizer(sources: Sequence[Shards]) -> CodeTokenizer:
    tokenizers = [CodeTokenizer.load(source.tokenizer) for source in sources]
    for source, other in zip(sources, tokenizers, strict=True):
        _refuse_other(other, tokenizers[0], source.folder)
    return tokenizers[0]


def _refuse_other(found: CodeTokenizer, wanted: CodeTokenizer, folder: Path) -> None:
    if found.identity != wanted.identity:
        raise InputError(
            f"{folder} was made with tokenizer {found.identity[:12]}, and the rest of the run's shards with {wanted.identity[:12]}; make them anew "
            "with one tokenizer"
        )


def _validation(sources: tuple[Shards, ...]) -> Corpus | None:
    # Corpus.of refuses a split without documents; a release may have no validation split.
    if not any("validation" in source.columns["split"].unique().to_pylist() for source in sources):
        return None
    return Corpus.of(sources, "validation")


def facts_of(sources: Sequence[Shards], tokenizer: CodeTokenizer, beside: Sequence[Shards] = ()) -> DataFacts:
    """Return what shards say of themselves. An issuer's epoch is the lowest of all folders; one that a folder does not know is left out.

    beside: shards that are measured with only; what they hold out decides what is trained on, so they are stated too.
    """
    releases = [(one, source) for source in sources for one in source.manifest.plan["config"]["releases"]]
    known = set.intersection(*(set(source.epochs) for source in sources))
    return DataFacts(
        tuple(
            {name: one[name] for name in ("name", "version", "identity")}
            | {"epochs": drop_records.epochs_of_release(one, source.drops)}
            for one, source in releases
        ),
        {issuer: min(int(source.epochs[issuer]) for source in sources) for issuer in sorted(known)},
        {"identity": tokenizer.identity, "vocab_size": tokenizer.vocab_size},
        (
            *({"identity": one.identity, "drops": len(one.drops)} for one in sources),
            *({"identity": one.identity, "drops": len(one.drops), "trained_on": False} for one in beside),
        ),
    )


def mandatory_epochs(config: ModelConfig, folder: Path) -> dict[str, int]:
    """Return {issuer: least epoch}: those that the configuration states, and those of the lists that it names."""
    found = dict(config.optout.mandatory)
    keys = {issuer: list(one) for issuer, one in config.optout.keys.items()}
    for location in config.optout.lists:
        one = registry.fetch(location, keys, folder)[0]
        found[one.issuer] = max(one.epoch, found.get(one.issuer, 0))
    return found
