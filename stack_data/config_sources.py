"""The configuration of sources: one table per [[source]], by kind.

Part of config.py's models, apart because there are many. Secrets are not configuration: they come from the
environment alone.
"""

from __future__ import annotations

from datetime import date as Date
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import InitErrorDetails


class Model(BaseModel):
    """Base of all configuration tables: frozen, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _kinds_stay_apart(cls, values: object) -> object:
        """Refuse `max_lines = true`, which would count as 1, `enabled = "yes"`, `date = 3`, and whole numbers that TOML has none of."""
        given: dict[str, object] = values if isinstance(values, dict) else {}
        found = [
            InitErrorDetails(type=kind, loc=where, input=value)
            for name, field in cls.model_fields.items()
            for where, annotation, value in _values((name,), field.annotation, given.get(name))
            if (kind := _mixed_kind(annotation, value))
        ]
        if found:
            raise ValidationError.from_exception_data(cls.__name__, found)
        return values


def _values(where: tuple[str, ...], annotation: Any, value: object) -> list[tuple[tuple[str, ...], Any, object]]:
    """Return a field's value, or those of its table, with where they stand and what they should be."""
    if get_origin(annotation) is dict and isinstance(value, dict):
        return [((*where, key), get_args(annotation)[1], one) for key, one in value.items()]
    return [(where, annotation, value)]


def _mixed_kind(annotation: Any, value: object) -> Any:
    """Return pydantic's type of error for a value of a kind that it would convert and a reader would not; None for all others."""
    wanted = (annotation, *get_args(annotation))
    if value is None:
        return None
    if bool in wanted:
        return None if isinstance(value, bool) else "bool_type"
    if isinstance(value, bool) and (int in wanted or float in wanted):
        return "int_type" if int in wanted else "float_type"
    if Date in wanted and not isinstance(value, str | Date):
        return "date_type"
    # TOML's whole numbers have 64 bits; Python's reader of it takes longer ones.
    return "int_parsing_size" if isinstance(value, int) and not -(2**63) <= value < 2**63 else None


class SourceConfig(Model):
    """What every [[source]] table may say."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")
    """Names the source's files; unique in the build."""
    license: str | None = None
    """SPDX expression declared for everything in the source, e.g. LicenseRef-our-code for one's own code."""
    audience: str = Field("public", pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")
    """Who may see it: releases emit the places of one audience only."""


class GitRepositoryConfig(Model):
    """One repository of a git source."""

    url: str
    """Path or URL of the repository."""
    revision: str = "HEAD"
    """Branch, tag or commit."""
    host: str | None = None
    """Host, owner and repo default to those of the remote URL."""
    owner: str | None = None
    """See host."""
    repo: str | None = None
    """host, owner and repo default to those of the remote URL."""
    owner_id: int | None = None
    """The owner's number at the host, when known."""
    repo_id: int | None = None
    """The repository's number at the host, when known."""
    stars: int | None = None
    """Stars at the host; of equal contents, places with more are displayed."""
    is_fork: bool = False
    """Forks are displayed last."""
    fork_of: str = ""
    """host/owner/repo it was forked from."""
    host_time: str = ""
    """When the host says it was made (UTC, 2020-01-31T12:00:00Z)."""
    aliases: tuple[str, ...] = ()
    """Other names it had or has, host/owner/repo."""
    topics: tuple[str, ...] = ()
    """Topics at the host; a table of text separates them by spaces or commas. Some reserve the repository (docs/signals.md)."""
    license: str | None = None
    """What the host states as its licence: one more statement at its root."""
    audience: str | None = None
    """Who may see it; default: the source's."""

    @field_validator("topics", mode="before")
    @classmethod
    def _words(cls, value: object) -> object:
        return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


class GitConfig(SourceConfig):
    """Git repositories: some named ones, a folder of bare mirrors, or a table of many."""

    kind: Literal["git"]
    repositories: tuple[GitRepositoryConfig, ...] = ()
    """Tables [[source.repositories]], or a list of inline tables."""
    mirrors: str | None = None
    """A folder in which every repository found, bare or not, is a unit."""
    table: str | None = None
    """A CSV, JSON lines or Parquet file with the columns of a repository table."""
    authors: bool = True
    """Walk the history for the authors of each file; needs FAIRSTACK_AUTHOR_KEY, else authors stay unknown."""
    commits: int = Field(0, ge=0)
    """Most commits taken per repository, newest first, of those that change one file (docs/notebooks-and-commits.md); 0: none."""
    commits_per_file: int = Field(1, ge=1)
    """Most commits taken of the same file: their documents are nearly alike. StarCoder: 1."""

    @model_validator(mode="after")
    def _names_something(self) -> GitConfig:
        if not (self.repositories or self.mirrors or self.table):
            raise ValueError("a git source needs repositories, mirrors or a table")
        return self


class ArchiveConfig(SourceConfig):
    """Archives: tar.gz, tar.bz2, tar.xz, tar, zip, wheel; paths or URLs."""

    kind: Literal["archive"]
    archives: tuple[str, ...]
    """Paths or URLs."""
    host: str = "archive"
    """Shown as the host of its repositories."""
    owner: str = "-"
    """Shown as their owner."""
    sha256: dict[str, str] = {}
    """Expected SHA-256 by archive as listed above."""


class DirectoryConfig(SourceConfig):
    """A folder tree, read as one repository."""

    kind: Literal["directory"]
    path: str
    """The folder."""
    host: str = "directory"
    """Shown as the host of its repository."""
    owner: str = "-"
    """Shown as its owner."""
    repo: str | None = None
    """Defaults to the folder's name."""
    exclude: tuple[str, ...] = (".git/",)
    """gitignore-style patterns left out of the listing."""


class EnvironmentConfig(SourceConfig):
    """An installed Python environment: each distribution of its site-packages, and the standard library."""

    kind: Literal["environment"]
    python: str | None = None
    """The environment's interpreter or folder; default: the one that runs the build."""
    standard_library: bool = True
    """Read the interpreter's standard library too."""
    distributions: tuple[str, ...] = ()
    """Only these; empty: all."""
    exclude: tuple[str, ...] = ()
    """Distributions left out."""


class PackagesConfig(SourceConfig):
    """Named packages of the Python and npm registries, through their JSON APIs."""

    kind: Literal["packages"]
    pypi: tuple[str, ...] = ()
    """name or name==version; the source distribution is read."""
    npm: tuple[str, ...] = ()
    """name, @scope/name, name@version."""
    pypi_url: str | None = None
    """Registry of Python packages; default: the one pip is set up for, else the public one."""
    npm_url: str | None = None
    """Registry addresses; default: those of the public registries, or of pip's and npm's own settings."""


class ColumnsConfig(Model):
    """Which column of a data set holds what. A dotted name reads inside structs; files[] marks a list of files."""

    content: str | None = None
    """The text or bytes; null where contents come from `contents` by content_id."""
    content_id: str | None = None
    """Identity of the content."""
    path: str = "path"
    """Path in the repository."""
    repository: str = "repo_name"
    """A column with owner/repo."""
    revision: str | None = None
    """Commit or snapshot."""
    license: str | None = None
    """Licence or list of licences stated for the file."""
    license_all_of: bool = True
    """A list of licences is joined by AND (True) or by OR."""
    stars: str | None = None
    """Stars of the repository."""
    files: str | None = None
    """A list column with one struct per file; the columns above are then looked up in it first."""


class HuggingFaceConfig(SourceConfig):
    """Any data set that `datasets` reads, streamed."""

    kind: Literal["huggingface"]
    path: str
    """Name on the hub, local folder, or a builder such as `parquet` with data_files."""
    config: str | None = None
    """The data set's configuration."""
    split: str = "train"
    """The split."""
    revision: str | None = None
    """Commit, tag or branch of the data set."""
    data_files: tuple[str, ...] = ()
    """Files to read, where the data set does not say."""
    preset: Literal["the-stack", "the-stack-v2", "stack-v3-train"] | None = None
    """A known column layout."""
    columns: ColumnsConfig | None = None
    """Overrides the preset."""
    host: str = "github.com"
    """Host of the repositories that the rows name."""
    contents: str | None = None
    """Where contents are when the rows hold ids only: a bucket layout as for software_heritage."""


class SoftwareHeritageConfig(SourceConfig):
    """Contents named by SWHID or sha1_git, from the public bucket's layout (content/<sha1>.gz)."""

    kind: Literal["software_heritage"]
    table: str
    """CSV, JSON lines or Parquet: swhid (or blob_id), path, repo_name, revision_id, license, encoding."""
    bucket: str = "s3://softwareheritage/content"
    """s3:// address or a local folder in the same layout."""
    host: str = "github.com"
    """Host of the repositories that the table names."""


KINDS = ("git", "archive", "directory", "environment", "packages", "huggingface", "software_heritage")
"""What `kind` of a source may be."""

AnySource = Annotated[
    GitConfig
    | ArchiveConfig
    | DirectoryConfig
    | EnvironmentConfig
    | PackagesConfig
    | HuggingFaceConfig
    | SoftwareHeritageConfig,
    Field(discriminator="kind"),
]
