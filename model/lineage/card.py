"""The model card of a checkpoint, README.md: what it is, which data it saw, under which opt-outs, and how to find out what it saw of a file.

Written from the lineage and the run's measures alone; front matter as the Hugging Face Hub reads it. It names no owner, repository or path.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stack_data.counting import counted


def card(title: str, lineage: Mapping[str, Any], parameters: int) -> str:
    """Return the text of a card. lineage: as `record.Lineage.to_json` returns it."""
    parts = [
        _front(lineage),
        f"# {title}\n",
        _what(lineage, parameters),
        _data(lineage),
        _opt_outs(lineage),
        _base(lineage),
    ]
    parts += [_quality(lineage), _training(lineage), _energy(lineage), _limits()]
    return "\n".join(part for part in parts if part)


def _front(lineage: Mapping[str, Any]) -> str:
    base = lineage["base"]
    stated = (base or {}).get("license") or ("" if base else lineage["config"].get("license", ""))
    lines = ["---", "library_name: transformers", "pipeline_tag: text-generation", f"license: {stated or 'other'}"]
    if not stated:
        # The Hub asks for the name of a licence that is not in its list.
        lines.append("license_name: not-stated")
    lines += ["tags:", "- code", "- fill-in-the-middle"]
    return "\n".join([*lines, "---", ""])


def _what(lineage: Mapping[str, Any], parameters: int) -> str:
    decoder = lineage.get("decoder", {})
    return (
        f"A code model of {parameters:,} parameters ({decoder.get('architecture', 'decoder')}, {decoder.get('layers', '?')} layers of "
        f"{decoder.get('hidden', '?')}) that completes text and fills in the middle, after {lineage['step']:,} steps and "
        f"{lineage['tokens']:,} tokens. `lineage.json` beside this page has everything below for machines.\n"
    )


def _data(lineage: Mapping[str, Any]) -> str:
    rows = [f"| {one['name']} | {one['version']} | `{one['identity']}` |" for one in lineage["releases"]]
    groups = sorted(lineage.get("mixture", {}).items(), key=lambda item: -item[1])
    shown = "".join(f"| {name} | {count:,} |\n" for name, count in groups[:20])
    more = f"\n{len(groups) - 20} more are in `lineage.json`.\n" if len(groups) > 20 else ""
    mixture = (
        f"\nTokens that were trained on, by group:\n\n| Group | Tokens |\n|---|---|\n{shown}{more}" if groups else ""
    )
    return (
        "## Data\n\n| Release | Version | Identity (SHA-256 of its manifest) |\n|---|---|---|\n"
        + "\n".join(rows)
        + "\n"
        f"\n{lineage['documents']:,} different documents of the train split were seen; "
        f"tokenizer `{lineage['tokenizer'].get('identity', '')}`.\n{mixture}"
    )


def _opt_outs(lineage: Mapping[str, Any]) -> str:
    rows = [
        f"| {one['issuer']} | {one['epoch']} | {one.get('release', 'all')} | {one['first_step']:,} to {one['last_step']:,} |"
        for one in lineage["suppressions"]
    ]
    table = (
        "| Issuer of the list | Epoch | Releases that followed it | Steps |\n|---|---|---|---|\n"
        + "\n".join(rows)
        + "\n"
        if rows
        else "The data followed no suppression list.\n"
    )
    drops = sum(one["drops"] for one in lineage["shards"] if one.get("trained_on", True))
    dropped = f"\n{counted(drops, 'drop')} of documents had been carried out in its token shards.\n" if drops else ""
    return (
        f"## Opt-outs\n\n{table}{dropped}\nWhat this checkpoint saw of a file that left later, and the last checkpoint before:\n"
        "`fairstack model exposure CHECKPOINT --removals LIST`.\n"
    )


def _base(lineage: Mapping[str, Any]) -> str:
    base = lineage["base"]
    if not base:
        return ""
    told = (
        f"its licence is {base['license']}"
        if base.get("license")
        else "its folder states no licence; find it out before use"
    )
    lines = [
        f"## Base model\n\nTraining went on from `{base['name']}` (weights SHA-256 `{base['weights_sha256']}`); {told}, and it holds for this model too.",
        "What the base model was trained on is not governed by the releases and opt-outs above" + _governed(base),
    ]
    rows = [
        f"| {which} | {_number(base.get('loss_before', {}).get(which))} | {_number(base.get('loss_after', {}).get(which))} |"
        for which in ("new", "old")
        if which in base.get("loss_before", {})
    ]
    if rows:
        lines.append("\n| Held-out data | Bits per byte before | after |\n|---|---|---|\n" + "\n".join(rows))
    return "\n".join(lines) + "\n"


def _governed(base: Mapping[str, Any]) -> str:
    known = base.get("releases") or []
    names = ", ".join(f"{one['name']} {one['version']}" for one in known)
    return f", except by its own lineage: {names}." if known else ": this registry cannot say whether a file was in it."


def _number(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else "not measured"


def _quality(lineage: Mapping[str, Any]) -> str:
    found = lineage.get("evaluation") or {}
    if not found:
        return ""
    text = f"## Held-out quality\n\n{found['bits_per_byte']:.3f} bits per byte on {found['tokens']:,} tokens of the validation split"
    if found.get("fim_items"):
        filled = f"{found['fim_psm']} with the prefix first and {found['fim_spm']} with the suffix first"
        text += f"; of {counted(found['fim_items'], 'left-out line')}, {filled} were filled in exactly (greedy)"
    return text + ".\n"


def _training(lineage: Mapping[str, Any]) -> str:
    code, config = lineage["code"], lineage["config"]
    optimizer, schedule = config["optimizer"], config["schedule"]
    return (
        f"## Training\n\n{optimizer['name']}, highest learning rate {optimizer['lr']:g}, {schedule['name']} schedule of {schedule['steps']:,} steps, "
        f"{config['train']['rows']} rows of {config['train']['positions']:,} positions a step, fill-in-the-middle rate "
        f"{config['fim']['rate']:g}{_together(config)}. "
        f"fairstack {code['fairstack']} (source `{code['source_sha256'][:16]}`), torch {code['torch']}.\n"
    )


def _together(config: Mapping[str, Any]) -> str:
    rate = config.get("repositories", {}).get("rate", 0.0)
    return f", {rate:.0%} of the files beside others of their repository" if rate else ""


def _energy(lineage: Mapping[str, Any]) -> str:
    joules = [one.get("joules") for one in lineage["sessions"]]
    grams = sum(one.get("co2_grams") or 0.0 for one in lineage["sessions"])
    if not joules or any(one is None for one in joules):
        return "## Energy\n\nNot measured: a machine that it was trained on reports no power.\n"
    kwh = sum(joules) / 3.6e6
    told = f", about {grams / 1000:.3g} kg of CO2 at the stated intensity of the grid" if grams else ""
    return f"## Energy\n\n{kwh:.3g} kWh of its processors and GPUs, without memory, fans and power supplies{told}.\n"


def _limits() -> str:
    return (
        "## Limits\n\nIt was trained on permissively licensed code and may repeat parts of it word for word; licence terms hold for what it "
        "repeats. Its completions are not checked for correctness or security.\n"
    )
