"""The configuration of a training run: TOML into frozen models that know every key.

Defaults live here with the reason for each; files hold what differs (config_file.py reads them). What changes a weight is in
`[data]` to `[train]` and is compared when a run goes on; `[evaluation]`, `[checkpoint]` and `[run]` may change at any time.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from model.decoder.config import DecoderConfig
from model.fim.config import FimConfig, MetadataConfig
from model.packing.config import MixtureConfig, RepositoriesConfig
from stack_data.config_sources import Model


class DataConfig(Model):
    """Which documents are trained on. Paths are relative to the configuration's folder."""

    releases: tuple[str, ...] = ()
    """Releases; the tokenizer and the shards are made of them in the run's folder."""
    shards: tuple[str, ...] = ()
    """Folders of token shards that `fairstack model shards` made, instead of releases."""
    tokenizer: str = ""
    """Folder of a tokenizer; empty: one is trained on the releases, or the shards' own is taken."""
    old_shards: str = ""
    """Continued training: shards of what the base model was trained on, for the loss before and after."""

    @model_validator(mode="after")
    def _some_data(self) -> DataConfig:
        if bool(self.releases) == bool(self.shards):
            raise ValueError("'data.releases' or 'data.shards' must name something, and not both")
        return self


class TokenizerConfig(Model):
    """The tokenizer that is trained where none is named."""

    vocab_size: int = Field(0, ge=0, le=65536)
    """Entries; 0: as many as the network has."""
    sample_bytes: int = Field(256_000_000, ge=1_000_000)
    """Text it is trained on, a seeded sample of the train split."""


class OptOutConfig(Model):
    """Which opt-outs the data must follow."""

    mandatory: dict[str, Annotated[int, Field(ge=0)]] = {}
    """Least epoch by issuer of suppression list: data that is older is refused."""
    lists: tuple[str, ...] = ()
    """Suppression lists, paths or https URLs, whose epochs are mandatory."""
    keys: dict[str, tuple[str, ...]] = {}
    """Trusted public keys (base64) by issuer."""


class OptimizerConfig(Model):
    """How weights follow gradients."""

    name: Literal["adamw", "muon"] = "adamw"
    """adamw; or muon: torch.optim.Muon for the matrices of the blocks, AdamW for the rest."""
    lr: float = Field(4e-4, gt=0, allow_inf_nan=False)
    """Highest learning rate of AdamW."""
    matrix_lr: float = Field(0.0, ge=0)
    """Highest learning rate of Muon, of updates with AdamW's usual size; 0: `lr`."""
    beta1: float = Field(0.9, ge=0, lt=1)
    """Decay of AdamW's mean of gradients."""
    beta2: float = Field(0.95, ge=0, lt=1)
    """Decay of AdamW's mean of squares. StarCoder: 0.95."""
    eps: float = Field(1e-8, gt=0)
    """AdamW's epsilon."""
    momentum: float = Field(0.95, ge=0, lt=1)
    """Muon's momentum."""
    weight_decay: float = Field(0.1, ge=0)
    """Decoupled weight decay of matrices and embeddings; biases and norms have none."""
    clip: float = Field(1.0, ge=0)
    """Greatest norm of the gradient; 0: as it is."""


class ScheduleConfig(Model):
    """Learning rate over the run, in steps."""

    name: Literal["cosine", "wsd", "constant"] = "cosine"
    """cosine: warm-up, then down; wsd: warm-up, stable, then straight down; constant: warm-up, then stable."""
    steps: int = Field(ge=1)
    """Length of the run."""
    warmup: int = Field(0, ge=0)
    """Steps of the rise from zero."""
    decay: int = Field(0, ge=0)
    """wsd: steps of the descent at the end; 0: a fifth of the run."""
    min_ratio: float = Field(0.1, ge=0, le=1)
    """The lowest rate as a share of the highest. StarCoder: 0.1."""

    @model_validator(mode="after")
    def _fits(self) -> ScheduleConfig:
        if self.warmup + (self.decay if self.name == "wsd" else 0) > self.steps:
            raise ValueError(f"'schedule.warmup' and 'schedule.decay' are more than the {self.steps} steps of the run")
        return self


class TrainConfig(Model):
    """One step of training."""

    rows: int = Field(ge=1)
    """Rows of one step, over all ranks."""
    positions: int = Field(ge=16)
    """Positions of a row."""
    window_rows: int = Field(1024, ge=1)
    """Rows that documents are packed into at a time: more fills rows better and plans slower."""
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    """bfloat16: matrix products under autocast, weights and sums in float32."""
    seed: int = 0
    """Seeds the weights, the order of documents, the cuts."""
    max_bad_steps: int = Field(10, ge=1)
    """The run ends after this many steps in a row whose gradient is no number; each of them changes nothing."""
    divergence: float = Field(2.0, gt=0)
    """The run ends when the loss stays this much (nats per token) above its lowest mean for 100 steps."""


class EvaluationConfig(Model):
    """What is measured on the validation split while training."""

    every: int = Field(500, ge=0)
    """Steps between evaluations; 0: only at the end."""
    tokens: int = Field(200_000, ge=1)
    """Tokens of it, documents drawn by content."""
    final_tokens: int = Field(2_000_000, ge=1)
    """Tokens at the end of the run."""
    context: int = Field(0, ge=0)
    """Positions of a row that are only context at the end of the run, fewer than it has; more of it costs time and shows longer memory."""
    fim_items: int = Field(100, ge=0)
    """Lines that are left out of validation documents and filled in, greedily; asked for in both orders."""
    fim_tokens: int = Field(48, ge=1)
    """Most tokens of an answer; at most half the context."""


class CheckpointConfig(Model):
    """When a run is saved."""

    every: int = Field(500, ge=1)
    """Steps between checkpoints."""
    keep_last: int = Field(2, ge=1)
    """Newest checkpoints that stay."""
    keep_best: bool = True
    """The one with the lowest held-out bits per byte stays too."""


class RunConfig(Model):
    """How a run is carried out. Nothing here changes which documents a step sees or what is computed, save for rounding and,
    with dropout, which values are dropped where ranks or `micro_rows` part the rows otherwise."""

    folder: str = "build/models"
    """Folder in which runs are made."""
    threads: int = Field(0, ge=0)
    """Threads of one rank on a processor; 0: as torch chooses."""
    loader_threads: int = Field(1, ge=1, le=64)
    """Threads that prepare rows ahead."""
    ahead: int = Field(4, ge=1, le=256)
    """Steps that are prepared ahead."""
    micro_rows: int = Field(0, ge=0)
    """Rows that one rank computes at once; the rest of the step is accumulated. 0: all of them."""
    attention: Literal["auto", "sdpa", "tiles", "flex", "flash", "eager"] = "auto"
    """How attention is computed (docs/decoder.md); auto: the fastest that runs here."""
    compile: bool = False
    """Use torch.compile. Pays on a GPU; on a processor it takes a minute or more to begin."""
    checkpoint_activations: bool = False
    """Compute activations of blocks twice instead of keeping them: less memory, a third more work."""
    parallel: Literal["ddp", "fsdp"] = "ddp"
    """Under torchrun: ddp: each rank has all weights; fsdp: each has a part (FSDP2)."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where it is computed; auto: on a GPU where there is one."""
    log_every: int = Field(10, ge=1)
    """Steps between lines of the log."""
    carbon_g_per_kwh: float = Field(0.0, ge=0)
    """Grams of CO2 per kWh where it runs, for the estimate in the card; 0: energy only."""


class ModelConfig(Model):
    """A training run."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    """Name of the run's folder below run.folder."""
    title: str = ""
    """Title of the model card."""
    license: str = Field("", pattern=r"^[A-Za-z0-9][A-Za-z0-9.+-]*$|^$")
    """Licence of the model for its card, as the Hub names it (apache-2.0, bigcode-openrail-m); empty: none is stated. A base model's holds instead."""
    data: DataConfig
    tokenizer: TokenizerConfig = TokenizerConfig()
    decoder: DecoderConfig | None = None
    """The network; left out with --init, which brings its own."""
    fim: FimConfig = FimConfig()
    metadata: MetadataConfig = MetadataConfig()
    mixture: MixtureConfig = MixtureConfig()
    repositories: RepositoriesConfig = RepositoriesConfig()
    optout: OptOutConfig = OptOutConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    schedule: ScheduleConfig
    train: TrainConfig
    evaluation: EvaluationConfig = EvaluationConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()
    run: RunConfig = RunConfig()

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    @model_validator(mode="after")
    def _fits(self) -> ModelConfig:
        if self.evaluation.context >= self.train.positions:
            raise ValueError(
                f"'evaluation.context' is {self.evaluation.context}: it must be less than the {self.train.positions} positions of a row, "
                "'train.positions'"
            )
        return self

    def resolved(self) -> dict[str, Any]:
        """Return every value as plain JSON values."""
        return self.model_dump(mode="json")
