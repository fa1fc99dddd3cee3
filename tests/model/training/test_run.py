"""Runs from end to end: exact resume whatever happened, damage, refusals, drops, records."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from transformers import AutoModelForCausalLM

from model.lineage.exposure import exposure
from model.shards.drop import drop
from model.shards.shards import open_shards
from model.training import checkpoints
from stack_data.counting import counted
from stack_data.errors import ConfigError, InputError, StaleBuildError
from stack_data.optout import lists
from tests.model.shards.shards_made import made
from tests.model.tokenizer.tokenizers_made import library_tokenizer
from tests.model.training.runs import config_file, home_of, log, same, shards, trained


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return home_of(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def whole(home: Path) -> Path:
    """A run that was never stopped."""
    return trained(home, "name=whole").checkpoint


def test_a_run_learns_and_its_log_says_so(home: Path, whole: Path) -> None:
    done = trained(home, "name=whole")
    assert done.step == 8
    losses = [line["loss"] for line in log(done)]
    assert losses[-1] < losses[0] - 0.3
    assert losses[0] == pytest.approx(np.log(600), abs=0.4)
    scores = [line["bits_per_byte"] for line in log(done, "evaluation")]
    assert scores[-1] < scores[0]
    assert list((done.folder / "tensorboard").iterdir())


def test_a_stopped_run_goes_on_bit_for_bit_whatever_the_loader(home: Path, whole: Path) -> None:
    stopped = checkpoints.identity(trained(home, "name=stopped", stop_after=3).checkpoint)
    done = trained(home, "name=stopped", "run.loader_threads=3", "run.ahead=7")
    assert same(done.checkpoint, whole)
    told = json.loads((done.checkpoint / "lineage.json").read_text())["checkpoints"]
    assert {"step": 3, "identity": stopped} in told
    assert len({one["step"] for one in told}) == len(told)


def test_a_run_that_is_beyond_the_step_to_stop_after_says_where_it_is(home: Path, whole: Path) -> None:
    done = trained(home, "name=whole", stop_after=3)
    assert (done.step, done.checkpoint) == (8, whole)


def test_a_line_of_the_log_is_the_mean_of_its_steps_whatever_is_saved_between(home: Path, whole: Path) -> None:
    every = {line["step"]: line["loss"] for line in log(trained(home, "name=whole"))}
    for saved in (1, 8):
        done = trained(home, f"name=logged-{saved}", "run.log_every=4", f"checkpoint.every={saved}")
        (first, _) = log(done)
        assert first["step"] == 4
        assert first["loss"] == pytest.approx(np.mean([every[step] for step in range(1, 5)]), abs=0.02)


def test_the_card_states_a_licence_where_one_is_given(home: Path) -> None:
    front = "name=licensed", "schedule.steps=2"
    assert "license: other\nlicense_name: not-stated\n" in (trained(home, *front).checkpoint / "README.md").read_text()
    shutil.rmtree(home / "models" / "licensed")
    card = (trained(home, *front, "license=apache-2.0").checkpoint / "README.md").read_text()
    assert "license: apache-2.0\n" in card and "license_name" not in card


def test_muon_and_its_adamw_go_on_bit_for_bit(home: Path) -> None:
    named = ("optimizer.name=muon", "train.precision=bfloat16")
    one = trained(home, "name=muon", *named)
    trained(home, "name=muon-stopped", *named, stop_after=5)
    other = trained(home, "name=muon-stopped", *named)
    assert same(one.checkpoint, other.checkpoint)
    assert log(one)[-1]["loss"] < log(one)[0]["loss"] - 0.3


def test_dropout_goes_on_bit_for_bit(home: Path) -> None:
    one = trained(home, "name=dropout", "decoder.residual_dropout=0.1", "schedule.steps=4")
    trained(home, "name=dropout-stopped", "decoder.residual_dropout=0.1", "schedule.steps=4", stop_after=2)
    assert same(
        trained(home, "name=dropout-stopped", "decoder.residual_dropout=0.1", "schedule.steps=4").checkpoint,
        one.checkpoint,
    )


def test_a_killed_run_goes_on_bit_for_bit(home: Path, whole: Path) -> None:
    command = [sys.executable, "-m", "fairstack", "model", "train", str(home / "small.toml"), "--set", "name=killed"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    folder = home / "models" / "killed" / "checkpoints"
    while not checkpoints.all_of(folder) and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    left = checkpoints.all_of(folder)
    done = trained(home, "name=killed")
    assert left
    assert same(done.checkpoint, whole)
    assert [line["step"] for line in log(done)] == list(range(1, 9))


def test_accumulation_gives_the_gradients_of_the_whole_step(home: Path) -> None:
    one = trained(home, "name=at-once", "schedule.steps=3", "optimizer.lr=1e-3")
    other = trained(home, "name=in-parts", "schedule.steps=3", "optimizer.lr=1e-3", "run.micro_rows=1")
    for before, after in zip(log(one), log(other), strict=True):
        assert after["loss"] == pytest.approx(before["loss"], rel=1e-5)
        assert after["norm"] == pytest.approx(before["norm"], rel=1e-4)


def test_checkpointed_activations_change_nothing(home: Path) -> None:
    one = trained(home, "name=kept", "schedule.steps=2")
    other = trained(home, "name=computed-twice", "schedule.steps=2", "run.checkpoint_activations=true")
    assert log(other)[-1]["loss"] == pytest.approx(log(one)[-1]["loss"], rel=1e-6)


def test_a_tampered_checkpoint_is_told_and_the_one_before_it_used(
    home: Path, whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    newest = trained(home, "name=tampered", stop_after=6).checkpoint
    raw = bytearray((newest / "model.safetensors").read_bytes())
    raw[-5] ^= 1
    (newest / "model.safetensors").write_bytes(raw)
    done = trained(home, "name=tampered")
    told = capsys.readouterr().err
    assert "the SHA-256 of model.safetensors" in told
    assert "step-00000006.damaged" in told
    assert same(done.checkpoint, whole)


def test_another_configuration_is_refused_by_name(home: Path, whole: Path) -> None:
    with pytest.raises(StaleBuildError, match=r"optimizer.lr: 0.004 -> 0.01"):
        trained(home, "name=whole", "optimizer.lr=0.01")


def test_a_run_before_its_descent_may_be_made_longer(home: Path) -> None:
    trained(home, "name=longer", stop_after=4)
    done = trained(home, "name=longer", "schedule.steps=10", "schedule.decay=1")
    assert done.step == 10
    with pytest.raises(StaleBuildError, match="schedule.steps"):
        trained(home, "name=longer", "schedule.steps=12", "schedule.decay=12", "schedule.warmup=0")


def test_data_older_than_a_mandatory_epoch_is_refused(home: Path) -> None:
    with pytest.raises(
        InputError, match="mandatory from epoch 3, and this data follows no list of that issuer.*fairstack model drop"
    ):
        trained(home, "name=old", "optout.mandatory={registry=3}")
    assert not (home / "models" / "old").exists()


def test_a_network_smaller_than_the_tokenizer_is_refused(home: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"'decoder.vocab_size' is 300, and the tokenizer has 600 tokens; make it 600"
    ):
        trained(home, "name=narrow", "decoder.vocab_size=300")


def test_transformers_loads_a_checkpoint(whole: Path) -> None:
    theirs = AutoModelForCausalLM.from_pretrained(whole)
    assert sum(weight.numel() for weight in theirs.parameters()) > 10_000
    assert torch.isfinite(theirs(torch.tensor([[5, 6, 7]])).logits).all()


@pytest.mark.parametrize("joined", [0.0, 1.0])
def test_a_drop_between_two_sessions_keeps_the_order_and_is_in_the_lineage(tmp_path: Path, joined: float) -> None:
    folder = shards(tmp_path)
    config_file(tmp_path)
    together = f"repositories.rate={joined}"
    trained(tmp_path, together, stop_after=4)
    before = open_shards(folder)
    gone = lists.SuppressionList(
        issuer="local", epoch=2, created="2026-01-01",
        entries=(lists.Entry(kind="owner", host="github.com", name="jane", since="2026-01-01", spread="exact", granted="moderator"),),
    )  # fmt: skip
    (tmp_path / "list.jsonl").write_text(lists.write(gone))
    taken = drop(folder, lists=[str(tmp_path / "list.jsonl")])
    assert taken.num_documents
    done = trained(tmp_path, together, "optout.mandatory={local=2}")
    card = (done.checkpoint / "README.md").read_text()
    assert "| local | 2 | all | 5 to 8 |" in card
    assert "1 drop of documents had been carried out in its token shards." in card
    assert ("100% of the files beside others of their repository" in card) == bool(joined)
    told = json.loads((done.checkpoint / "lineage.json").read_text())
    assert told["suppressions"] == [{"issuer": "local", "epoch": 2, "first_step": 5, "last_step": 8}]
    assert [one["drops"] for one in told["shards"]] == [1]
    after = open_shards(folder)
    dropped = np.flatnonzero(after.is_dropped)
    with pa.OSFile(str(done.checkpoint / "exposure.arrow")) as file:
        table = pa.ipc.open_file(file).read_all()
    last = dict(zip(table["document"].to_pylist(), table["last_step"].to_pylist(), strict=True))
    assert all(last.get(document, 0) <= 4 for document in dropped.tolist())
    assert (before.num_tokens == after.num_tokens).all()
    ids = [after.content_ids[document].tobytes().hex() for document in dropped]
    seen = exposure(done.checkpoint, ids)
    assert seen
    assert all(1 <= one.first_step <= 4 and one.times >= 1 and one.last_clean < one.first_step for one in seen)


def test_training_goes_on_from_a_base_model_and_the_card_says_so(home: Path, whole: Path) -> None:
    base = shutil.copytree(whole, home / "base")
    (base / "README.md").write_text("---\nlicense: bigcode-openrail-m\n---\n")
    done = trained(home, "name=continued", "schedule.steps=3", init=base)
    told = json.loads((done.checkpoint / "lineage.json").read_text())
    assert told["base"]["license"] == "bigcode-openrail-m"
    assert told["base"]["loss_before"]["new"] > 0
    assert told["base"]["loss_after"]["new"] > 0
    card = (done.checkpoint / "README.md").read_text()
    assert "license: bigcode-openrail-m" in card
    assert "not governed by the releases and opt-outs above" in card
    assert log(done)[0]["loss"] < 5.9


def test_another_base_model_is_refused_for_a_run_that_was_begun(home: Path, whole: Path) -> None:
    base = shutil.copytree(whole, home / "one-base")
    done = trained(home, "name=based", "schedule.steps=3", init=base, stop_after=1)
    other = shutil.copytree(done.checkpoint, home / "other-base")
    with pytest.raises(StaleBuildError, match="was begun from one-base, and --init names other-base"):
        trained(home, "name=based", "schedule.steps=3", init=other)
    shutil.rmtree(base)  # its weights stand in the run's checkpoint
    assert trained(home, "name=based", "schedule.steps=3").step == 3


def test_answers_longer_than_the_network_are_cut_to_half_its_context_and_it_is_said(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = trained(home, "name=longwinded", "schedule.steps=2", "evaluation.fim_tokens=5000")
    assert done.measured is not None and done.measured.fim_items == 2
    told = "'evaluation.fim_tokens' is 5000, and answers end after 48 tokens: half of the network's context of 96"
    assert capsys.readouterr().err == f"fairstack: {told}\n"
    trained(home, "name=terse", "schedule.steps=2", "evaluation.fim_tokens=48")
    trained(home, "name=silent", "schedule.steps=2", "evaluation.fim_tokens=5000", "evaluation.fim_items=0")
    assert capsys.readouterr().err == ""


def test_where_fewer_lines_can_be_left_out_than_are_asked_for_their_true_number_is_told(home: Path) -> None:
    settings = "schedule.steps=2", "evaluation.fim_items=1000", "evaluation.tokens=100000"
    done = trained(home, "name=few", *settings)
    split = open_shards(home / "shards").columns["split"].to_pylist()
    assert done.measured is not None and done.measured.fim_items == split.count("validation") < 1000
    card = (done.checkpoint / "README.md").read_text()
    assert f"; of {counted(done.measured.fim_items, 'left-out line')}, 0 with the prefix first" in card
    assert [line["fim_items"] for line in log(done, "final")] == [done.measured.fim_items]


def test_what_a_base_model_forgets_of_its_own_data_is_measured_too(home: Path, whole: Path) -> None:
    older = shards(home / "older", 15)
    base = shutil.copytree(whole, home / "base-of-two")
    settings = ("schedule.steps=3", "evaluation.tokens=100000", "evaluation.final_tokens=100000")
    same_data, other = (
        trained(home, f"name=beside-{place.name}-{number}", f"data.old_shards={place}", *settings, init=base)
        for number, place in enumerate((home / "shards", older))
    )
    for done, is_same in ((same_data, True), (other, False)):
        told = json.loads((done.checkpoint / "lineage.json").read_text())["base"]
        for which in ("loss_before", "loss_after"):
            assert (told[which]["old"] == pytest.approx(told[which]["new"], rel=1e-6)) == is_same
        assert told["loss_after"]["old"] != told["loss_before"]["old"]
        card = (done.checkpoint / "README.md").read_text()
        assert f"| old | {told['loss_before']['old']:.3f} | {told['loss_after']['old']:.3f} |" in card


def test_a_release_that_two_folders_hold_is_refused(home: Path, tmp_path: Path) -> None:
    shutil.copytree(home / "shards", tmp_path / "again")
    with pytest.raises(InputError, match=r"both hold corpus 1\.0\.0; name each release in one folder of shards"):
        trained(home, "name=twice", f'data.shards=["shards", "{tmp_path}/again"]')


def test_a_run_without_held_out_data_says_so_and_measures_what_the_base_model_forgets(
    home: Path, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = made(tmp_path)
    done = trained(home, "name=plain", "schedule.steps=3", f'data.shards=["{plain}"]')
    assert done.measured is None
    told = "the shards have no validation split: no quality is measured, and 'checkpoint.keep_best' keeps none"
    assert capsys.readouterr().err == f"fairstack: {told}\n"
    base = shutil.copytree(whole, tmp_path / "base")
    done = trained(
        home, "name=plain-on", "schedule.steps=3", f'data.shards=["{plain}"]', "data.old_shards=shards", init=base
    )
    told_of = json.loads((done.checkpoint / "lineage.json").read_text())
    assert set(told_of["base"]["loss_before"]) == set(told_of["base"]["loss_after"]) == {"old"}
    assert [one.get("trained_on", True) for one in told_of["shards"]] == [True, False]
    # Contents of its train split are what the old shards hold out.
    assert re.search(r"not trained on: \d documents? of the train split that another folder", capsys.readouterr().err)
    done = trained(home, "name=forgetful", "schedule.steps=3", f"data.old_shards={plain}", init=base)
    assert f"{plain} has no validation split: what the base model forgets is not measured" in capsys.readouterr().err


def test_a_mixture_that_would_be_spent_is_refused_before_the_first_step(home: Path) -> None:
    with pytest.raises(
        ConfigError,
        match=r"allow (\d+) rows, and 800 steps of 4 take 3,200; raise them, or set schedule.steps to \d+ or",
    ) as told:
        trained(home, "name=spent", "schedule.steps=800", "mixture.max_epochs=3")
    steps = int(str(told.value).split("schedule.steps to ")[1].split(" ")[0])
    assert (
        trained(home, "name=spent", f"schedule.steps={steps}", "mixture.max_epochs=3", "schedule.warmup=0").step
        == steps
    )


def test_another_tokenizer_than_the_shards_is_refused(home: Path, tmp_path: Path) -> None:
    tmp_path.joinpath("other").mkdir()
    library_tokenizer(vocab_size=500).save(str(tmp_path / "other" / "tokenizer.json"))
    with pytest.raises(
        InputError,
        match=r"'data.tokenizer' names \S+other, and \S+shards was made with another tokenizer; leave it out, or",
    ):
        trained(home, "name=mixed-up", f"data.tokenizer={tmp_path}/other")


def test_a_runs_folder_is_no_base_model(home: Path, whole: Path) -> None:
    with pytest.raises(InputError, match="whole is no checkpoint but holds 2; name one, such as"):
        trained(home, "name=from-a-run", init=home / "models" / "whole")


def test_a_network_is_told_alike_whether_the_run_was_stopped_or_not(home: Path) -> None:
    settings = "decoder.inner=128", "schedule.steps=4"
    one = trained(home, "name=at-a-stretch", *settings).checkpoint
    trained(home, "name=twice-begun", *settings, stop_after=2)
    other = trained(home, "name=twice-begun", *settings).checkpoint
    told = [json.loads((folder / "lineage.json").read_text())["decoder"] for folder in (one, other)]
    assert told[0] == told[1]
