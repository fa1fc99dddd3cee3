"""Settings of the mixture and of what stands together; part of a run's configuration. They change which documents are drawn when and beside what."""

from __future__ import annotations

from pydantic import Field, model_validator

from stack_data.config_sources import Model


class RepositoriesConfig(Model):
    """Files of a repository one after the other in a row, each seen by those after it, so that a model learns to use its surroundings."""

    rate: float = Field(0.0, ge=0, le=1)
    """Share of files that stand beside others of their repository, language and release, drawn anew each epoch, in the layout of the
    tokenizer's model; 0: every file alone. Files longer than a row stay alone."""


class MixtureConfig(Model):
    """How often documents of each group are drawn. A group is a language of a kind in a release; shares count tokens of text."""

    fixed: bool = False
    """What the three tables below hold. false: factors of the shares that `temperature` gives, 1 for those not named. true: shares of
    all tokens, at most 1 together; those not named have the rest."""
    languages: dict[str, float] = {}
    """By Linguist name."""
    kinds: dict[str, float] = {}
    """By kind of document."""
    releases: dict[str, float] = {}
    """By release, `name version`."""
    temperature: float = Field(1.0, ge=0, le=1)
    """A language of n tokens counts as n^temperature; 1: as they come, 0: all languages alike."""
    max_epochs: float = Field(0.0, ge=0)
    """Most times a document is drawn before its group is spent and the others take its place; 0: no limit."""
    epochs: dict[str, float] = {}
    """Most times for one language, kind or release, by name; the least of those that apply counts."""
    replay_share: float = Field(0.0, ge=0, lt=1)
    """Share of the tokens that is drawn from the releases in `replay`, so that continued training forgets less."""
    replay: tuple[str, ...] = ()
    """Releases that are only replayed, `name version`."""

    @model_validator(mode="after")
    def _consistent(self) -> MixtureConfig:
        for name in ("languages", "kinds", "releases", "epochs"):
            wrong = {key: value for key, value in getattr(self, name).items() if not 0 <= value < float("inf")}
            if wrong:
                raise ValueError(f"'mixture.{name}' holds numbers from 0 on (seen: {wrong})")
            total = sum(getattr(self, name).values())
            if self.fixed and name != "epochs" and total > 1 + 1e-9:
                raise ValueError(f"'mixture.{name}' holds shares, at most 1 together (seen: {total:g})")
        if bool(self.replay_share) != bool(self.replay):
            raise ValueError("'mixture.replay_share' and 'mixture.replay' belong together: set both or none")
        return self
