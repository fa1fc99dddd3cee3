"""Two processes that meet over gloo: DDP and FSDP2 see the documents that one process sees, and save checkpoints that any number goes on from."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.model.training.runs import config_file, log, shards, trained, weights

PATIENCE = 900.0
SCRIPT = """
import sys, json, torch
from pathlib import Path
from tests.model.training.runs import trained
folder = Path(sys.argv[1])
torch.distributed.init_process_group("gloo")  # for all runs: a second group on the same port can meet what is left of the first
for names, stop in json.loads(sys.argv[2]):
    trained(folder, *names, stop_after=stop)
torch.distributed.destroy_process_group()
"""


def two_ranks(folder: Path, runs: list[tuple[list[str], int | None]]) -> None:
    """Carry out runs on two ranks, one after the other."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    told = [folder / f"rank{rank}.txt" for rank in range(2)]
    with contextlib.ExitStack() as stack:
        place = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-X", "faulthandler", "-c", SCRIPT, str(folder), json.dumps(runs)]
        processes = [
            subprocess.Popen(
                command, stderr=stack.enter_context(one.open("w")), env=os.environ | place | {"RANK": str(rank)}
            )
            for rank, one in enumerate(told)
        ]
    until = time.monotonic() + PATIENCE
    while any(process.poll() is None for process in processes):
        if any(process.returncode for process in processes) or time.monotonic() > until:
            stopped(processes)
        time.sleep(0.1)
    assert [process.returncode for process in processes] == [0, 0], [one.read_text() for one in told]


def stopped(processes: list[subprocess.Popen[bytes]]) -> None:
    """End ranks that go on without one that failed, or that all wait; each says where it stood."""
    for process in processes:
        if process.poll() is None:
            process.send_signal(signal.SIGABRT)
    for process in processes:
        process.wait()


@pytest.mark.slow
def test_two_ranks_train_as_one_does_and_one_goes_on_from_two(tmp_path: Path) -> None:
    shards(tmp_path)
    config_file(tmp_path)
    alone = trained(tmp_path, "name=alone")
    kinds = {
        "ddp": ["name=ddp"], "fsdp": ["name=fsdp", "run.parallel=fsdp"], "muon": ["name=muon", "run.parallel=fsdp", "optimizer.name=muon"],
    }  # fmt: skip
    two_ranks(tmp_path, [(kinds["ddp"], None), (kinds["fsdp"], 4), (kinds["muon"], 2)])
    for name, last in (("ddp", 8), ("fsdp", 4)):
        done = trained(tmp_path, *kinds[name])
        assert log(done)[last - 1]["loss"] == pytest.approx(log(alone)[last - 1]["loss"], rel=1e-4)
        assert log(done)[-1]["loss"] == pytest.approx(log(alone)[-1]["loss"], rel=1e-3)
        assert (done.checkpoint / "exposure.arrow").read_bytes() == (alone.checkpoint / "exposure.arrow").read_bytes()
        mine, theirs = weights(done.checkpoint), weights(alone.checkpoint)
        assert mine.keys() == theirs.keys()
        assert all((mine[key] - theirs[key]).abs().max() < 2e-3 for key in mine)
    assert trained(tmp_path, *kinds["muon"]).step == 8


@pytest.mark.slow
def test_torchrun_starts_the_command_on_every_rank_and_one_of_them_speaks(tmp_path: Path) -> None:
    shards(tmp_path)
    path = config_file(tmp_path)
    alone = trained(tmp_path, "name=alone")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "fairstack", "model", "train"]  # fmt: skip
    done = subprocess.run(
        [*command, str(path), "--set", "name=two", "--set", "run.parallel=fsdp", "--json"],
        capture_output=True, text=True, timeout=PATIENCE, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["step"] == 8 and told["evaluation"]["fim_items"] == 2
    assert told["loss"] == pytest.approx(alone.loss, rel=1e-3)
    assert told["evaluation"]["bits_per_byte"] == pytest.approx(alone.measured.bits_per_byte, rel=1e-3)
