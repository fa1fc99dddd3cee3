"""What a reader of a wrong configuration is told: one line, the dotted key, what it must be, the value seen, the key that was meant."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from model.decoder.config import DecoderConfig
from model.training.config import ModelConfig
from stack_data.config import BuildConfig
from stack_data.config_errors import MUST, PATTERNS, describe
from stack_data.config_file import load_as
from stack_data.config_sources import KINDS
from stack_data.errors import ConfigError

RUN = 'name = "a"\ndata = {shards = ["s"]}\nschedule = {steps = 5}\ntrain = {rows = 2, positions = 64}\n'
BUILD = 'name = "a"\n[[source]]\nname = "e"\nkind = "environment"\n'
SOURCES: tuple[dict[str, Any], ...] = (
    {"kind": "git", "repositories": [{"url": "u"}]}, {"kind": "archive", "archives": ["a"]}, {"kind": "directory", "path": "p"},
    {"kind": "environment"}, {"kind": "packages"}, {"kind": "huggingface", "path": "p", "columns": {}},
    {"kind": "software_heritage", "table": "t"},
)  # fmt: skip
WRONG = (
    None, True, -7, 0, 0.3, 70_000, 2**70, float("nan"), float("inf"), "", "a b", "7x", "2026-02-30", datetime.date(2026, 1, 31),
    [], [7], ["a b"], [None], {}, {"a b": -7}, {"a": "x"}, {"a": [7]}, {"a": True},
)  # fmt: skip
MAY_HOLD = "'source.0' may hold: name, license, audience, kind"
OF_GIT = "repositories, mirrors, table, authors, commits, commits_per_file"
FOREIGN = re.compile(r"[Ii]nput|should|valid |String|Tuple|dictionary|Value error|unable|pydantic|None of|\n")
"""Words of pydantic's messages, none of this project's."""


def whole(model: type[BaseModel]) -> list[dict[str, Any]]:
    """Return configurations that are right, which together have every table there is."""
    if model is ModelConfig:
        table = {
            "name": "a",
            "data": {"shards": ["s"]},
            "schedule": {"steps": 5},
            "train": {"rows": 2, "positions": 64},
        }
        return [table]
    return [{"name": "a", "source": [{"name": "s"} | source], "filter": {"languages": {"C": {}}}} for source in SOURCES]


def changed(model: type[BaseModel], table: dict[str, Any], value: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each key of a configuration, dotted, with one that has this value there; and with a key more in each table."""
    try:
        full = model.model_validate(table).model_dump(by_alias=True)
    except ValidationError as error:
        raise AssertionError(table) from error

    def visit(part: Any, path: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
        items = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, (list, tuple)) else ()
        for name, inner in items:
            yield (*path, name)
            yield from visit(inner, (*path, name))
        if isinstance(part, dict):
            yield (*path, "surplus")

    def replaced(part: Any, path: tuple[str | int, ...]) -> Any:
        if not path:
            return value
        if isinstance(part, dict):
            return {**part, path[0]: replaced(part.get(path[0]), path[1:])}
        return [replaced(inner, path[1:]) if at == path[0] else inner for at, inner in enumerate(part)]

    for path in visit(full, ()):
        yield ".".join(map(str, path)), replaced(full, path)


def check_told(model: type[BaseModel], text: str, path: Path, setting: str, told: str) -> None:
    """Check what is told of a configuration that is right but for one setting."""
    path.write_text(text)
    with pytest.raises(ConfigError) as refused:
        load_as(model, path, [setting])
    assert str(refused.value) == f"{path}: {told}"


@pytest.mark.parametrize("model", [BuildConfig, ModelConfig])
def test_every_wrong_value_of_every_key_is_told_in_one_sentence_with_the_key(model: type[BaseModel]) -> None:
    kinds, told = set(), 0
    for table in whole(model):
        for value in WRONG:
            for key, wrong in changed(model, table, value):
                try:
                    model.model_validate(wrong)
                except ValidationError as error:
                    text = describe(error, model)
                    kinds |= {item["type"] for item in error.errors()}
                    told += 1
                    assert not FOREIGN.search(text.replace("'surplus'", "")), (key, value, text)
                    assert key.rpartition(".")[2] in text or key.rpartition(".")[0] in text, (key, value, text)
    assert told > 1_000
    assert kinds <= {
        *MUST,
        "missing",
        "extra_forbidden",
        "union_tag_not_found",
        "union_tag_invalid",
        "value_error",
        "string_pattern_mismatch",
    }
    assert {
        "int_type",
        "float_type",
        "bool_type",
        "string_type",
        "model_type",
        "literal_error",
        "finite_number",
        "extra_forbidden",
    } <= kinds


def test_every_pattern_of_a_setting_has_words() -> None:
    def patterns(schema: Any) -> Iterator[str]:
        if isinstance(schema, dict):
            yield from ([schema["pattern"]] if isinstance(schema.get("pattern"), str) else [])
        for inner in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
            yield from patterns(inner)

    found = {one for model in (BuildConfig, ModelConfig) for one in patterns(model.model_json_schema())}
    assert found == set(PATTERNS)


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("schedule.steps=x", "'schedule.steps' must be a whole number (seen: 'x')"),
        ("schedule.steps=1.5", "'schedule.steps' must be a whole number (seen: 1.5)"),
        ("schedule.steps=true", "'schedule.steps' must be a whole number (seen: true)"),
        ("schedule.steps=0", "'schedule.steps' must be at least 1 (seen: 0)"),
        (f"schedule.steps={2**64}", f"'schedule.steps' must be a whole number of 64 bits (seen: {2**64})"),
        ("schedule.steps={a = 1}", "'schedule.steps' must be a whole number (seen: {a = 1})"),
        ("optimizer.weight_decay=inf", "'optimizer.weight_decay' must be a finite number (seen: inf)"),
        ("optimizer.lr=2026-01-31", "'optimizer.lr' must be a number (seen: 2026-01-31)"),
        ("fim.rate=1.5", "'fim.rate' must be at most 1 (seen: 1.5)"),
        ("decoder.attention_dropout=1", "'decoder.attention_dropout' must be less than 1 (seen: 1)"),
        ("optimizer.lr=0", "'optimizer.lr' must be greater than 0 (seen: 0)"),
        ("optimizer.name=adam", "'optimizer.name' must be 'adamw' or 'muon' (seen: 'adam')"),
        ("optimizer=adam", "'optimizer' must be a table (seen: 'adam')"),
        ("optimizer=[{lr = 1}]", "'optimizer' must be a table, written once as [optimizer] (seen: [{lr = 1}])"),
        ("optout.mandatory=3", "'optout.mandatory' must be a table (seen: 3)"),
        ("optout.mandatory.registry=true", "'optout.mandatory.registry' must be a whole number (seen: true)"),
        ("mixture.languages.Python=true", "'mixture.languages.Python' must be a number (seen: true)"),
        ("run.compile=yes", "'run.compile' must be true or false (seen: 'yes')"),
        ("data.releases=r", "'data.releases' must be a list, such as ['r'] (seen: 'r')"),
        ("data.shards=[3]", "'data.shards.0' must be text in quotes (seen: 3)"),
        ("title=[]", "'title' must be text in quotes (seen: [])"),
        ("name=../a", "'name' must be letters, digits, '.', '_' and '-', the first of them a letter or digit, 64 at most (seen: '../a')"),
        ("license=MIT OR Zlib", "'license' must be one id as the Hub names licences, such as apache-2.0, or empty (seen: 'MIT OR Zlib')"),
        ("optimizer.LR=1", "unknown key 'optimizer.LR'; did you mean 'optimizer.lr'?"),
        ("run.steps=1", "unknown key 'run.steps'; did you mean 'schedule.steps'?"),
        ("schedule.cosine=1", "unknown key 'schedule.cosine'; 'schedule' may hold: name, steps, warmup, decay, min_ratio"),
        ('"optimizer.lr"=1', "unknown key '\"optimizer.lr\"'; did you mean 'optimizer'?"),
        ("schedule.warmup=9", "'schedule.warmup' and 'schedule.decay' are more than the 5 steps of the run"),
        ("decoder.hidden=30", "decoder: hidden 30 is no multiple of heads 12"),
    ],
)  # fmt: skip
def test_a_wrong_setting_of_a_run(tmp_path: Path, setting: str, told: str) -> None:
    check_told(ModelConfig, RUN, tmp_path / "a.toml", setting, told)


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("date=x", "'date' must be a date such as 2026-01-31 (seen: 'x')"),
        ("date=3", "'date' must be a date such as 2026-01-31 (seen: 3)"),
        ("release.version=1.0", "'release.version' must be text in quotes (seen: 1.0)"),
        ("release.version=1-0", "'release.version' must be MAJOR.MINOR.PATCH, such as 1.2.0 (seen: '1-0')"),
        ("release.audience=us", "'release.audience' is 'us'; it is the 'audience' of a source: public"),
        ("near.bands=100", "'near.bands' times 'near.rows' is 600, more than the 256 of 'near.permutations'"),
        ("filter.languages.JSON.max_line=3", "unknown key 'filter.languages.JSON.max_line'; did you mean 'filter.languages.JSON.max_lines'?"),
        ("source={name = 'x'}", "'source' must be a list; write each of its tables as [[source]] (seen: {name = 'x'})"),
        ("source=[]", "'source' must hold at least 1; write each of its tables as [[source]] (seen: [])"),
        ("source=[{name = 'x'}]", f"'source.0.kind' is missing; it is one of: {', '.join(KINDS)}"),
        ("source=[{name = 'x', kind = 'git', git = 1, mirrors = 'm'}]", f"unknown key 'source.0.git'; {MAY_HOLD}, {OF_GIT}"),
        ("source=[{name = 'x', kind = 'directory', path = 'p', pypi = ['u']}]", f"unknown key 'source.0.pypi'; {MAY_HOLD}, path, host, owner, repo, exclude"),
        ("source=[{name = 'x', kind = 'environment', date = 2026-01-31}]", "unknown key 'source.0.date'; did you mean 'date'?"),
        (
            "source=[{name = 'x', kind = 'git', repositories = [{url = 'u', star = 1}]}]",
            "unknown key 'source.0.repositories.0.star'; did you mean 'source.0.repositories.0.stars'?",
        ),
        (
            "source=[{name = 'x', kind = 'git', repositories = 'u'}]",
            "'source.0.repositories' must be a list; write each of its tables as [[source.repositories]] (seen: 'u')",
        ),
    ],
)  # fmt: skip
def test_a_wrong_setting_of_a_build(tmp_path: Path, setting: str, told: str) -> None:
    check_told(BuildConfig, BUILD, tmp_path / "a.toml", setting, told)


@pytest.mark.parametrize("override", ["", "=", "a", "=3", "a..b=3", ".a=3", "a.=3"])
def test_an_override_without_a_whole_key_is_refused(tmp_path: Path, override: str) -> None:
    (tmp_path / "a.toml").write_text(RUN)
    with pytest.raises(ConfigError, match="is not of the form a.b=value"):
        load_as(ModelConfig, tmp_path / "a.toml", [override])


def test_missing_tables_are_told_as_tables_and_what_is_beyond_three_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text("")
    with pytest.raises(
        ConfigError,
        match=r"'name' is missing; the table \[data\] is missing; the table \[schedule\] is missing; and 1 more$",
    ):
        load_as(ModelConfig, path)
    with pytest.raises(ConfigError, match=r"'name' is missing; the table \[\[source\]\] is missing$"):
        load_as(BuildConfig, path)


@pytest.mark.parametrize(
    ("content", "told"), [(b"x", "is no TOML: Expected '='"), (b"a = '\xff'", "is no TOML: byte 5 is no UTF-8")]
)
def test_what_is_no_toml_is_told(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "a.toml").write_bytes(content)
    with pytest.raises(ConfigError, match=told):
        load_as(BuildConfig, tmp_path / "a.toml")


def test_an_error_of_a_type_without_words_is_told_in_the_validators_own() -> None:
    with pytest.raises(ValidationError) as refused:
        DecoderConfig.model_validate({"hidden": object()})
    assert describe(refused.value, DecoderConfig).startswith("'hidden' must be a whole number (seen: <object")
    unknown = ValidationError.from_exception_data(
        "x", [{"type": "json_invalid", "loc": ("hidden",), "input": "{", "ctx": {"error": "EOF"}}]
    )
    assert describe(unknown, DecoderConfig) == "'hidden' is refused: Invalid JSON: EOF (seen: '{')"
