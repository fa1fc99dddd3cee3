"""The README.md of an export: which files `datasets` loads, what a row is, and where it comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stack_data.export.options import FORMATS, Options
from stack_data.export.prepare import LEFT_OUT
from stack_data.export.released import Release

_FORMS = {
    "starcoder": "StarCoder: a document is a file; repository, path and stars stand before it with probability 0.2 each.",
    "starcoder2": "StarCoder2: a document begins with its repository's name and has paths with probability 0.5.",
    "plain": "Plain: texts without any special token.",
}
_ROWS = {
    "files": "One row for each file.",
    "repositories": "One row for each repository: its files in one document.",
}
_ORDERS = {
    "": "",
    "path": "Files of a repository are in order of their paths.",
    "dependency": "Files of a repository come after the files they import, as far as that is sure; otherwise in order of their paths.",
}


def card(release: Release, options: Options, counts: Mapping[str, Any], names: Sequence[str]) -> str:
    """Return the card."""
    splits = sorted({name.partition("-")[0] for name in names})
    files = "".join(f'  - split: {split}\n    path: "{split}-*.parquet"\n' for split in splits)
    title = f"{release.told['title'] or 'Release'} {release.told['version']}, as documents for training"
    lines = [
        f"---\nconfigs:\n- config_name: default\n  data_files:\n{files}---\n\n# {title}\n",
        _FORMS[options.format],
        " ".join(filter(None, (_ROWS[options.rows], _ORDERS[options.order], _parts(options)))),
        f"Draws and the order of rows follow from seed {options.seed} and what is drawn for: the same export has the same bytes.\n",
        "| split | documents | files | bytes of text |\n|---|---|---|---|",
        *(
            f"| {split} | {counts['documents'].get(split, 0):,} | {counts['files'].get(split, 0):,} | {counts['bytes'].get(split, 0):,} |"
            for split in splits
        ),
        "",
        *_left_out(counts["left_out"]),
        f"Made from the release with identity `{release.told['identity']}`. Its licence texts and copyright lines (`NOTICE/`, `notices/`)",
        "are those of these documents: `content_ids` names the files in each row. When files are taken out of the release, this",
        "export must be made again; `fairstack data verify` says so.\n",
    ]
    if FORMATS[options.format].TOKENS:
        lines.append(
            f"Special tokens: `{'` `'.join(FORMATS[options.format].TOKENS)}`. None of them occurs inside a text.\n"
        )
    return "\n".join(lines)


def _parts(options: Options) -> str:
    return (
        f"A repository of more than {options.max_bytes:,} bytes has several rows (`part`)."
        if options.rows == "repositories"
        else ""
    )


def _left_out(counts: Mapping[str, int]) -> list[str]:
    told = [f"- {number:,}: {LEFT_OUT[reason]}" for reason, number in counts.items()]
    return ["Left out of the release's files:\n", *told, ""] if told else []
