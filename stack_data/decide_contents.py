"""The deciding steps about single contents: benchmarks in them, malware, personal data and secrets.

They come after near duplicates and are asked of the contents alone that every step before keeps (clusters/candidates/), whatever has
opted out, so that an opt-out never makes them run again. Rows are aligned with files/; the rest of a part is kept without a look. A
content that another decision lets in later has its part decided anew.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from stack_data import storage
from stack_data.config import DecontaminationConfig, PiiConfig
from stack_data.contents import chunk_of
from stack_data.decontamination import benchmarks
from stack_data.errors import ConfigError
from stack_data.malware import clamd
from stack_data.pii import ner
from stack_data.pipeline import PartStage, Run, run_part_stage
from stack_data.records import DECONTAMINATION_DECISIONS, MALWARE_DECISIONS, PII_DECISIONS
from stack_data.stages import decontamination, malware, pii
from stack_data.text import RULE_VERSION as TEXT_RULES
from stack_data.text import TEXT_COLUMNS, texts_of

Decide = Callable[[pa.Array, pa.Table], pa.Table]
"""Returns the decisions about contents: their ids, and rows of files/ with TEXT_COLUMNS."""

SNAPSHOT = "benchmarks.json"
"""What the decontamination step looked for; beside its decisions."""


def run_content_steps(run: Run) -> None:
    """Bring the three steps up to date."""
    run_decontamination(run)
    run_malware(run)
    run_pii(run)


def load_kernels(ids: pa.Array, texts: pa.LargeStringArray) -> None:
    """Run every kernel and load every table of these steps once."""
    decontamination.decide(ids, texts, benchmarks.load(DecontaminationConfig(), Path()))
    pii.decide(ids, texts, PiiConfig())


def run_decontamination(run: Run) -> None:
    """Bring decisions/decontamination up to date."""
    config = run.config.decontamination
    rules = {"decontamination": decontamination.RULE_VERSION, "text": TEXT_RULES}
    if not config.enabled:
        run_part_stage(run, _stage(run, "decontamination", rules, {"enabled": False}, None, DECONTAMINATION_DECISIONS))
        return
    known = benchmarks.load(config, run.config_folder, run.build.benchmarks)

    def decide(ids: pa.Array, rows: pa.Table) -> pa.Table:
        return decontamination.decide(ids, texts_of(rows), known)

    told = {"digest": known.digest, "unchecked": [dataclasses.asdict(one) for one in known.unchecked]}
    extra = _snapshot(run, "decontamination", SNAPSHOT, told)
    # Other benchmarks are other inputs and need no flag: every part is looked at anew.
    run_part_stage(
        run, _stage(run, "decontamination", rules, {"enabled": True}, decide, DECONTAMINATION_DECISIONS, extra)
    )


def run_malware(run: Run) -> None:
    """Bring decisions/malware up to date; newer signatures scan everything again."""
    address, rules = run.config.malware.clamd, {"malware": malware.RULE_VERSION}
    if not address:
        run_part_stage(run, _stage(run, "malware", rules, {"enabled": False}, None, MALWARE_DECISIONS))
        return
    scanner = clamd.connect(address)
    # Asked once beforehand: a daemon that refuses the largest content would stop the run half-way.
    scanner.check_size(run.config.limits.max_file_bytes)

    def decide(ids: pa.Array, rows: pa.Table) -> pa.Table:
        return malware.decide(ids, chunk_of(rows["content"]), scanner)

    extra = _snapshot(run, "malware", "scanner.json", {"version": scanner.version})
    run_part_stage(run, _stage(run, "malware", rules, {"enabled": True}, decide, MALWARE_DECISIONS, extra))


def run_pii(run: Run) -> None:
    """Bring decisions/pii up to date."""
    config, rules = run.config.pii, {"pii": pii.RULE_VERSION, "pii_tables": pii.rules_version(), "text": TEXT_RULES}
    if not config.enabled:
        run_part_stage(run, _stage(run, "pii", rules, {"enabled": False}, None, PII_DECISIONS))
        return
    if config.ner:
        # Relative to the configuration, as every path in it.
        config = config.model_copy(update={"ner": str(run.config_folder / Path(config.ner).expanduser())})

    def decide(ids: pa.Array, rows: pa.Table) -> pa.Table:
        return pii.decide(ids, texts_of(rows), config)

    settings = config.model_dump(mode="json", exclude={"placeholders", "ner"})
    settings["ner"] = ner.digest(Path(config.ner)) if config.ner else ""
    run_part_stage(run, _stage(run, "pii", rules, settings, decide, PII_DECISIONS))


def _snapshot(run: Run, step: str, name: str, told: Mapping[str, Any]) -> dict[str, str]:
    """Write what a step depends on outside the build beside its decisions; return its SHA-256 by path."""
    path, text = run.build.stage_manifest(step).with_name(name), json.dumps(told, indent=1, sort_keys=True) + "\n"
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        storage.write_text(path, text)
    return {run.build.relative(path): hashlib.sha256(text.encode()).hexdigest()}


def _stage(
    run: Run, name: str, rules: Mapping[str, int], config: Mapping[str, Any], decide: Decide | None,
    schema: pa.Schema, extra: Mapping[str, str] | None = None,
) -> PartStage:  # fmt: skip
    """Return a step; decide: None keeps everything without a look."""
    build = run.build

    def inputs(_group: str, part: str) -> list[Path]:
        return [build.files(part), build.candidates(part)]

    def of_part(_group: str, part: str) -> pa.Table:
        ids = chunk_of(storage.read_parquet(build.files(part), ["content_id"])["content_id"])
        asked = storage.read_parquet(build.candidates(part))["is_candidate"].to_numpy()
        chosen = np.flatnonzero(asked) if decide else np.empty(0, np.int64)
        decided, first = [_kept(ids.take(pa.array(np.setdiff1d(np.arange(len(ids)), chosen))), schema)], 0
        if decide and len(chosen):
            for rows in storage.read_row_groups(build.files(part), TEXT_COLUMNS):
                mine = chosen[(chosen >= first) & (chosen < first + rows.num_rows)] - first
                if len(mine):
                    taken = rows if len(mine) == rows.num_rows else rows.take(pa.array(mine))
                    decided.append(decide(ids.take(pa.array(mine + first)), taken))
                first += rows.num_rows
        places = np.concatenate([np.setdiff1d(np.arange(len(ids)), chosen), chosen])
        return pa.concat_tables(decided).combine_chunks().take(pa.array(np.argsort(places)))

    return PartStage(name, rules, config, inputs, of_part, extra=extra or {})


def _kept(ids: pa.Array, schema: pa.Schema) -> pa.Table:
    """Return the decision to keep contents."""
    columns = {name: pa.nulls(len(ids), schema.field(name).type) for name in schema.names}
    keep = pa.DictionaryArray.from_arrays(pa.array(np.zeros(len(ids), np.int8)), pa.array(["keep", "drop", "redact"]))
    return pa.table(columns | {"content_id": ids, "action": keep}).cast(schema)


def check(run_config: Any, config_folder: Path) -> None:
    """Refuse settings of these steps that only the file system can judge; ConfigError says what is missing."""
    if run_config.pii.ner and not (config_folder / Path(run_config.pii.ner).expanduser() / "config.json").is_file():
        raise ConfigError(f"pii.ner {run_config.pii.ner!r} is no folder of a checkpoint: it has no config.json")
    for name in run_config.decontamination.files:
        if not (config_folder / Path(name).expanduser()).is_file():
            raise ConfigError(f"decontamination.files: no file at {config_folder / Path(name).expanduser()}")
