"""The `huggingface` source: any data set that `datasets` reads, streamed, with a mapping of columns.

One unit. Rows are files, or repositories with a list of files. Contents are text columns, or ids whose contents are
fetched from a bucket (The Stack v2). Each distinct repository name becomes a repository; what a row states about its
licence goes to that place. Presets know the layouts of the-stack, the-stack-v2 and stack-v3-train.

Local folders are pinned by their listing, hub data sets by the revision given. A hub data set without a revision is
pinned to nothing; name one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from stack_data.config_sources import ColumnsConfig, HuggingFaceConfig
from stack_data.errors import SourceError, TemporarySourceError
from stack_data.reasons import Reason
from stack_data.sources.folders import check_listing, list_tree, locked_listing
from stack_data.sources.software_heritage import Fetch, content_of, license_of, opener, repository_number
from stack_data.sources.source import Entry, Repository, SourceContext, Unit, UnitReading

PRESETS = {
    "the-stack": ColumnsConfig(
        content="content", content_id="hexsha", path="max_stars_repo_path", repository="max_stars_repo_name",
        revision="max_stars_repo_head_hexsha", license="max_stars_repo_licenses", stars="max_stars_count",
    ),
    "the-stack-v2": ColumnsConfig(
        content_id="blob_id", path="path", repository="repo_name", revision="revision_id", license="detected_licenses",
        stars="star_events_count",
    ),
    "stack-v3-train": ColumnsConfig(
        content="content", path="file_path", repository="repo_path", revision="commit_id", license="detected_licenses",
        stars="github_metadata.stars", files="files",
    ),
}  # fmt: skip
DEFAULT_BUCKET = "s3://softwareheritage/content"


def resolve(config: HuggingFaceConfig, context: SourceContext) -> list[Unit]:
    """Return the data set as one unit."""
    columns = config.columns or (PRESETS[config.preset] if config.preset else None)
    if columns is None:
        raise SourceError("give a preset or columns")
    locked: dict[str, Any] = config.model_dump(mode="json", exclude={"name", "license", "audience", "kind", "preset"})
    locked["columns"] = columns.model_dump(mode="json")
    folder = context.config_folder / Path(config.path).expanduser()
    if folder.is_dir():
        locked["path"] = str(folder.resolve())
        locked["listing"] = locked_listing(locked["path"], list_tree(locked["path"]))
    contents = config.contents or (DEFAULT_BUCKET if columns.content is None else None)
    if contents and "://" not in contents:
        contents = str((context.config_folder / Path(contents).expanduser()).resolve())
    locked["contents"] = contents
    return [Unit(config.name, locked)]


def read(unit: Unit, context: SourceContext) -> UnitReading:
    """Stream the data set; SourceError when it cannot be opened or a file of it is damaged."""
    locked = dict(unit.locked)
    if locked.get("listing"):
        check_listing(locked["path"], list_tree(locked["path"]), locked["listing"])
    columns = ColumnsConfig.model_validate(locked["columns"])
    fetch = opener(locked["contents"]) if locked["contents"] else None
    repositories: list[Repository] = []
    return UnitReading(repositories, _entries(_rows(locked), columns, fetch, locked["host"], repositories, context))


def _rows(locked: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    import datasets
    import pyarrow as pa

    files = list(locked["data_files"]) or None
    try:
        data = datasets.load_dataset(
            locked["path"], locked["config"], split=locked["split"], revision=locked["revision"], data_files=files,
            streaming=True,
        )  # fmt: skip
        yield from data
    except (FileNotFoundError, ValueError, pa.ArrowException, datasets.exceptions.DatasetsError) as error:
        raise SourceError(
            f"{locked['path']}: {(str(error).splitlines() or [type(error).__name__])[0][:300]}"
        ) from error
    except OSError as error:
        raise TemporarySourceError(f"{locked['path']}: {str(error)[:300]}") from error


def _entries(
    rows: Iterator[dict[str, Any]], columns: ColumnsConfig, fetch: Fetch | None, host: str,
    repositories: list[Repository], context: SourceContext,
) -> Iterator[Entry]:  # fmt: skip
    numbers: dict[str, int] = {}
    num_files = num_bytes = 0
    for row in rows:
        for file in _files(row, columns):
            if not num_files:
                _check_columns(row, file, columns)
            if num_files >= context.limits.max_files or num_bytes >= context.limits.max_unit_bytes:
                # How many rows a stream still has is not known: one entry stands for all of them.
                repository = repository_number("-/further-rows", host, numbers, repositories)
                yield Entry("(all further rows)", None, -1, Reason.OVER_CAP, repository=repository)
                return
            entry = _entry(row, file, columns, fetch, host, numbers, repositories, context)
            num_files += 1
            num_bytes += max(entry.num_bytes, 0)
            yield entry


def _check_columns(row: Mapping[str, Any], file: Mapping[str, Any], columns: ColumnsConfig) -> None:
    """Refuse a mapping whose contents cannot be there, instead of calling every content missing."""
    for name in (columns.content, columns.content_id):
        if name and name.split(".")[0] not in {*row, *file}:
            raise SourceError(f"the data set has no column {name!r}; it has: {', '.join(map(str, {**row, **file}))}")


def _files(row: dict[str, Any], columns: ColumnsConfig) -> list[dict[str, Any]]:
    if columns.files is None:
        return [row]
    files = value_of(row, columns.files)
    if isinstance(files, Mapping):
        # `datasets` may hand a list of structs as a struct of lists.
        return [dict(zip(files, values, strict=True)) for values in zip(*files.values(), strict=True)]
    return list(files or [])


def value_of(row: Mapping[str, Any], name: str | None) -> Any:
    """Return a column's value; a dotted name reads inside structs; None when there is none."""
    value: Any = row
    for step in (name or "").split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def _entry(
    row: dict[str, Any], file: dict[str, Any], columns: ColumnsConfig, fetch: Fetch | None, host: str,
    numbers: dict[str, int], repositories: list[Repository], context: SourceContext,
) -> Entry:  # fmt: skip
    def stated(name: str | None) -> Any:
        found = value_of(file, name) if name else None
        return found if found is not None or not name else value_of(row, name)

    name = stated(columns.repository)
    if name is None:
        raise SourceError(f"the data set has no column {columns.repository!r} for the repository's name")
    stars = stated(columns.stars)
    facts = {"stars": int(stars)} if isinstance(stars, (int, float)) else {}
    identity = stated(columns.content_id)
    content, reason = _content(stated(columns.content), identity, fetch, context)
    return Entry(
        str(stated(columns.path) or "").lstrip("/") or "unnamed", content,
        len(content) if content is not None else -1, reason, "", repository_number(str(name), host, numbers, repositories, **facts),
        str(stated(columns.revision) or ""), (), license_of(stated(columns.license), columns.license_all_of), identity if reason else None,
    )  # fmt: skip


def _content(
    stated: Any, identity: Any, fetch: Fetch | None, context: SourceContext
) -> tuple[bytes | None, Reason | None]:
    if isinstance(stated, str):
        stated = stated.encode("utf-8", "surrogatepass")
    if isinstance(stated, bytes):
        return (None, Reason.TOO_LARGE) if len(stated) > context.limits.max_file_bytes else (stated, None)
    if identity and fetch:
        return content_of(str(identity), fetch, context)
    return None, Reason.CONTENT_MISSING
