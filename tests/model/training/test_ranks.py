"""Two processes that meet over gloo: DDP and FSDP2 see the documents that one process sees, and save checkpoints that any number goes on from."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.model.training.runs import config_file, log, shards, trained, weights

SCRIPT = """
import sys, json
from pathlib import Path
from tests.model.training.runs import trained
folder = Path(sys.argv[1])
for names, stop in json.loads(sys.argv[2]):
    trained(folder, *names, stop_after=stop)
"""


def two_ranks(folder: Path, runs: list[tuple[list[str], int | None]]) -> None:
    """Carry out runs on two ranks, one after the other."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(folder), json.dumps(runs)], stderr=subprocess.PIPE, text=True,
            env=os.environ | {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"},
        )
        for rank in range(2)
    ]  # fmt: skip
    try:
        told = [process.communicate(timeout=900)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    assert [process.returncode for process in processes] == [0, 0], told


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
