"""Progress: how far a step is, how fast, how long the rest takes; on a terminal and in a log."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from stack_data import progress
from stack_data.progress import Bar, Lines, Meter, duration
from tests.corpus import write_config


def test_time_left_is_by_bytes_then_by_items_then_unknown() -> None:
    meter = Meter("header", 4, 400_000_000, 0.0)
    assert meter.text(1.0) == "0 of 4"
    meter.advance(1, 100_000_000)
    assert meter.text(2.0) == "100 of 400 MB, 50 MB/s, 6 s left"
    meter.advance(3, 300_000_000)
    assert meter.text(8.0) == "400 of 400 MB, 50 MB/s"
    bands = Meter("near", 42, None, 0.0)
    bands.advance(21, 0)
    assert bands.text(200.0) == "21 of 42, 3 min left"
    unknown = Meter("fetch", None, None, 0.0)
    unknown.advance(1, 2_000_000)
    assert unknown.text(1.0) == "2 MB, 2 MB/s"
    assert unknown.share() is None


def test_durations_are_for_people() -> None:
    assert [duration(one) for one in (5, 89, 90, 5399, 9000)] == ["5 s", "89 s", "2 min", "90 min", "2.5 h"]


def test_a_log_has_a_line_now_and_then(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    lines = Lines()
    lines.begin("short", 2, 2_000_000)
    lines.advance(2, 2_000_000)
    lines.end()
    lines.begin("long", 4, 400_000_000)
    for seconds in (10, 31, 40, 62):
        now[0] = seconds
        lines.advance(1, 100_000_000)
    lines.end()
    lines.close()
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "long: 31 s, 200 of 400 MB, 6 MB/s, 31 s left"
    assert told[-1] == "long: 62 s, 400 of 400 MB, 6 MB/s"


def test_a_bar_can_be_told_everything(capsys: pytest.CaptureFixture[str]) -> None:
    bar = Bar()
    bar.begin("fetch", None, None)
    bar.advance(1, 5_000_000)
    bar.end()
    bar.close()
    assert "fetch" in capsys.readouterr().err


def test_a_terminal_shows_every_step_with_bytes_and_rate(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    main, other = pty.openpty()
    words = [sys.executable, "-m", "fairstack", "data", "build", str(config), "--set", f'run.builds="{tmp_path}/build"']
    # A terminal of 120 columns, as wide as people have.
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "120"}
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=other, env=environment) as running:
        os.close(other)
        told = b""
        while True:
            try:
                piece = os.read(main, 65536)
            except OSError:
                break
            if not piece:
                break
            told += piece
        assert running.wait(60) == 0
    os.close(main)
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", told.decode())
    for step in ("fetch", "header", "language", "filter", "signatures", "release"):
        assert re.search(rf"{step}.*MB/s", text), step
