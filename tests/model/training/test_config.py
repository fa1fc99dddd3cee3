"""The configuration of runs: defaults, errors, presets."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.training.config_file import load
from stack_data.errors import ConfigError

CONFIGS = Path(__file__).parents[3] / "configs"
PARAMETERS = {
    "164m": 164_144_128, "1b": 1_137_207_296, "3b": 3_043_311_104, "7b": 7_327_263_232, "15b": 15_517_456_384,
}  # fmt: skip
SMALL = 'name = "a"\ndata = {shards = ["s"]}\nschedule = {steps = 5}\ntrain = {rows = 2, positions = 64}\n'


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "a.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(("name", "parameters"), PARAMETERS.items())
def test_presets_have_the_published_sizes(name: str, parameters: int) -> None:
    config = load(CONFIGS / f"model-{name}.toml")
    assert config.decoder is not None
    assert config.decoder.num_parameters() == parameters
    assert config.fim.rate == config.fim.spm_rate == 0.5


def test_the_demo_names_the_demo_release() -> None:
    assert load(CONFIGS / "model-cpu-demo.toml").data.releases == ("../build/demo/releases/1.0.0",)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("[optimzer]\nlr = 1\n", "unknown key 'optimzer'; did you mean 'optimizer'"),
        ("[optimizer]\nlr = -1\n", "'optimizer.lr' must be greater than 0 .seen: -1."),
        ("[run]\ncompile = 1\n", "must be true or false"),
        ("[evaluation]\ncontext = 4096\n", "'evaluation.context' is 4096: it must be less than"),
        ("[optimizer]\nlr = inf\n", "optimizer.lr"),
        ("[decoder]\nlayers = 2\nhidden = 30\nheads = 4\n", "30"),
    ],
)
def test_what_is_wrong_is_told_with_the_value_seen(tmp_path: Path, more: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        load(written(tmp_path, SMALL + more))


def test_releases_and_shards_together_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not both"):
        load(written(tmp_path, SMALL), ["data.releases=['r']"])


def test_one_value_is_overridden_by_set(tmp_path: Path) -> None:
    assert load(written(tmp_path, SMALL), ["optimizer.name=muon", "schedule.steps=9"]).schedule.steps == 9
