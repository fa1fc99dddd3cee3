"""Settings of fill in the middle and of the metadata prefix; part of a run's configuration.

Defaults are StarCoder's where it has one. What a setting changes is a pure function of (seed, content_id, chunk, epoch).
"""

from __future__ import annotations

from pydantic import Field

from stack_data.config_sources import Model


class FimConfig(Model):
    """Fill in the middle."""

    rate: float = Field(0.5, ge=0, le=1)
    """Share of documents (or chunks of long ones) that are cut into prefix, middle and suffix. StarCoder: 0.5."""
    spm_rate: float = Field(0.5, ge=0, le=1)
    """Share of those with the suffix first. StarCoder: 0.5."""
    syntax_rate: float = Field(0.0, ge=0, le=1)
    """Share of those whose middle is a node of the syntax tree, or a run of siblings, where a grammar is there and the text parses."""
    slack_tokens: int = Field(6, ge=0, le=64)
    """Room for tokens that cutting adds. Where more come, the cuts move to where words end; nothing is left out."""


class MetadataConfig(Model):
    """The prefix before a document that says where it is from."""

    repository_rate: float = Field(0.2, ge=0, le=1)
    """Share of documents with the repository's name. StarCoder: 0.2."""
    path_rate: float = Field(0.2, ge=0, le=1)
    """Share with the path. StarCoder: 0.2."""
    max_tokens: int = Field(32, ge=4, le=512)
    """Room for it. A longer one loses the path's first folders, then the repository."""
