"""The configuration of a build: TOML into frozen models that know every key.

Defaults live here with the reason for each; files hold what differs (config_file.py reads them). `[run]` (workers and
the like) never changes a byte of output and is left out of manifests. Secrets are not configuration: they come from
the environment alone.
"""

from __future__ import annotations

from datetime import date as Date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


class Model(BaseModel):
    """Base of all configuration tables: frozen, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class LimitsConfig(Model):
    """Caps that keep one source from taking over a build."""

    max_file_bytes: int = Field(10 * 1024 * 1024, ge=1)
    """Larger contents are not read (reason too_large). 10 MiB is StarCoder2's cap."""
    max_files: int = Field(1_000_000, ge=1)
    """Entries per unit; the rest is recorded as over_cap. 1M entries is The Stack v3's cap."""
    max_unit_bytes: int = Field(20 * 1024**3, ge=1)
    """Bytes read per unit; the rest is recorded as over_cap."""
    max_unit_seconds: float = Field(3600.0, gt=0)
    """A unit that takes longer fails and is left for the next run."""
    max_compression_ratio: float = Field(200.0, gt=1)
    """Bytes out per byte in of an archive; real code compresses 3 to 20 times. More is an archive bomb."""
    max_attempts: int = Field(4, ge=1)
    """Tries of a unit before its failure is recorded."""
    retry_seconds: float = Field(1.0, ge=0)
    """Pause before the second try; doubles with each further one."""


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
    license: str | None = None
    """What the host states as its licence: one more statement at its root."""
    audience: str | None = None
    """Who may see it; default: the source's."""


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


class FetchConfig(Model):
    """How the files of a source are cut into parts."""

    part_bytes: int = Field(64 * 1024**2, ge=1)
    """A part ends once its contents reach this many bytes: small enough to hold in memory per worker, large
    enough that columnar passes pay."""
    part_rows: int = Field(8192, ge=1)
    """A part also ends at this many places."""
    units_per_group: int = Field(64, ge=1)
    """Units that share one file name and one manifest; a failed unit makes only its own group be read again."""


class LicenseConfig(Model):
    """Which licences are permissive, and how the places of one content are joined."""

    tiers: tuple[Literal["model", "gold", "silver", "bronze", "lead"], ...] = (
        "model",
        "gold",
        "silver",
        "bronze",
    )
    """Blue Oak Council tiers that are allowed."""
    allow: tuple[str, ...] = ()
    """Further SPDX ids or LicenseRef-... to allow."""
    deny: tuple[str, ...] = ()
    """SPDX ids that are not allowed whatever their tier."""
    places: Literal["all", "any"] = "all"
    """all: a content that also occurs under a known non-permissive licence is out; any: one permissive place is enough."""
    curations: str | None = None
    """A curations.toml of one's own, read after the shipped one."""


class LanguageConfig(Model):
    """Which languages are kept."""

    only: tuple[str, ...] = ()
    """Linguist names; empty: every language that Linguist knows."""
    exclude: tuple[str, ...] = ()
    """Linguist names left out."""


class NearConfig(Model):
    """How near duplicates are found: files that share most of their 5-token shingles."""

    enabled: bool = True
    """False: near duplicates are neither looked for nor dropped."""
    threshold: float = Field(0.7, gt=0, le=1)
    """Exact Jaccard similarity from which two files are near duplicates; 0.7 is that of The Stack v2 and v3."""
    permutations: int = Field(256, ge=16, le=1024)
    """Values of a MinHash signature; 256 is what The Stack's versions use."""
    bands: int = Field(42, ge=1)
    """Bands of a signature; with 42 bands of 6 rows a pair at 0.7 is met with probability 0.995, with 32 of 8 0.85."""
    rows: int = Field(6, ge=1)
    """Values per band."""
    min_shingles: int = Field(5, ge=1)
    """Files with fewer distinct shingles are near to nothing."""
    seed: int = 1
    """Seeds the permutations."""
    memory_bytes: int = Field(1024**3, ge=1)
    """Band tables beyond this lie in a mapped file instead of in memory."""

    @model_validator(mode="after")
    def _bands_fit(self) -> NearConfig:
        if self.bands * self.rows > self.permutations:
            raise ValueError(
                f"near.bands * near.rows is {self.bands * self.rows}, more than {self.permutations} permutations"
            )
        return self


class ReleaseConfig(Model):
    """How kept files are released."""

    version: str = Field("1.0.0", pattern=r"^\d+\.\d+\.\d+$")
    """MAJOR.MINOR.PATCH; a version is made once and never changes."""
    title: str = "A strictly permissive code corpus"
    """Title of the card."""
    audience: str = "public"
    """Only places of this audience are emitted."""
    shard_bytes: int = Field(256 * 1024**2, ge=1)
    """Aimed-at bytes of text per shard; a first release fixes the count per language from it."""
    row_group_rows: int = Field(1000, ge=1)
    """Rows per Parquet row group: equal bytes need equal row groups."""
    validation_fraction: float = Field(0.01, ge=0, lt=0.5)
    """Least share of bytes in the validation split (and at least validation_bytes)."""
    validation_bytes: int = Field(2_000_000, ge=0)
    """Least bytes of the validation split; with fewer there is none."""
    seed: int = 0
    """Seeds shard and split hashes."""
    creator: str = "FairStack"
    """Who made it; shown in the Croissant file."""
    contact: str = ""
    """Where people ask questions and opt out; shown in the card."""
    url: str = ""
    """Where the release will be found; shown in the card and in the Croissant file."""


class RunConfig(Model):
    """How a build runs. Nothing here changes a byte of what it writes."""

    workers: int = Field(0, ge=0)
    """Threads; 0: one per processor."""
    builds: str = "build"
    """Folder in which builds are made."""


class BuildConfig(Model):
    """A whole build."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    """Name of the build's folder below run.builds."""
    date: Date | None = None
    """The date stated in outputs; default: the day the sources were locked."""
    sources: tuple[AnySource, ...] = Field(min_length=1, alias="source")
    limits: LimitsConfig = LimitsConfig()
    fetch: FetchConfig = FetchConfig()
    license: LicenseConfig = LicenseConfig()
    language: LanguageConfig = LanguageConfig()
    near: NearConfig = NearConfig()
    release: ReleaseConfig = ReleaseConfig()
    run: RunConfig = RunConfig()

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, populate_by_name=True)

    @field_validator("sources")
    @classmethod
    def _names_are_unique(cls, sources: tuple[Any, ...]) -> tuple[Any, ...]:
        names = [source.name for source in sources]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"source name used twice: {', '.join(twice)}")
        return sources

    @model_validator(mode="after")
    def _audience_exists(self) -> BuildConfig:
        audiences = {source.audience for source in self.sources} | {
            repository.audience
            for source in self.sources
            if isinstance(source, GitConfig)
            for repository in source.repositories
            if repository.audience
        }
        in_tables = any(isinstance(source, GitConfig) and source.table for source in self.sources)
        if self.release.audience not in audiences | {"public"} and not in_tables:
            raise ValueError(f"release.audience {self.release.audience!r} is no source's audience: {sorted(audiences)}")
        return self

    def resolved(self) -> dict[str, Any]:
        """Return every value that can change an output, as plain JSON values; `[run]` is left out."""
        return self.model_dump(mode="json", by_alias=True, exclude={"run"})
