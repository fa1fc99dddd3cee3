"""Checkpoints on disk: whole or not there, checked, the right ones kept."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from model.training import checkpoints
from stack_data.errors import InputError, StorageError


def made(folder: Path, step: int, score: float | None = None, size: int = 100) -> Path:
    def write(at: Path) -> None:
        (at / "weights").write_bytes(bytes([step % 251]) * size)
        (at / "nested").mkdir()
        (at / "nested" / "more").write_text(f"step {step}")

    return checkpoints.save(folder, step, write, {} if score is None else {"bits_per_byte": score})


def test_a_saved_checkpoint_is_sound(tmp_path: Path) -> None:
    path = made(tmp_path, 7)
    assert path.name == "step-00000007"
    assert sorted(checkpoints.check(path).outputs) == ["nested/more", "weights"]
    assert checkpoints.step_of(path) == 7


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "weights has 99 bytes, not 100"),
        (lambda path: path.write_bytes(b"x" * 100), "SHA-256 of weights"),
        (lambda path: path.unlink(), "weights is missing"),
        (lambda path: (path.parent / "manifest.json").write_text("{"), "manifest.json cannot be read"),
        (lambda path: (path.parent / "manifest.json").unlink(), "manifest.json does not exist"),
    ],
)  # fmt: skip
def test_a_damaged_one_is_told_and_the_one_before_it_is_used(tmp_path: Path, damage: object, told: str) -> None:
    older, newer = made(tmp_path, 1), made(tmp_path, 2)
    damage(newer / "weights")  # type: ignore[operator]
    lines: list[str] = []
    assert checkpoints.newest_sound(tmp_path, lines.append) == older
    assert len(lines) == 1
    assert told in lines[0]
    assert "step-00000002.damaged" in lines[0]
    # The run comes to that step again.
    assert checkpoints.check(made(tmp_path, 2))


def test_only_damaged_ones_are_an_error_and_no_new_beginning(tmp_path: Path) -> None:
    (made(tmp_path, 1) / "weights").unlink()
    for _ in range(2):
        with pytest.raises(InputError, match="no checkpoint .* is sound"):
            checkpoints.newest_sound(tmp_path, lambda line: None)


def test_a_run_that_never_saved_has_none(tmp_path: Path) -> None:
    assert checkpoints.newest_sound(tmp_path / "none", lambda line: None) is None


def test_the_newest_and_the_best_are_kept(tmp_path: Path) -> None:
    for step, score in ((1, 2.5), (2, 1.5), (3, None), (4, 1.6), (5, 1.7)):
        made(tmp_path, step, score)
    gone = checkpoints.prune(tmp_path, keep_last=2, keep_best=True)
    assert [path.name[-1] for path in gone] == ["1", "3"]
    assert [path.name[-1] for path in checkpoints.all_of(tmp_path)] == ["2", "4", "5"]
    assert checkpoints.best(tmp_path) == checkpoints.path_of(tmp_path, 2)


def test_what_a_run_saves_while_it_goes_astray_pushes_out_no_sound_one(tmp_path: Path) -> None:
    for step in range(1, 7):
        checkpoints.save(tmp_path, step, lambda at: None, {"astray": True} if step > 3 else {})
    assert [path.name[-1] for path in checkpoints.prune(tmp_path, keep_last=2, keep_best=True)] == ["1", "4", "5"]
    assert [path.name[-1] for path in checkpoints.all_of(tmp_path)] == ["2", "3", "6"]


def test_a_run_named_for_a_checkpoint_is_told_apart(tmp_path: Path) -> None:
    newest = made(tmp_path / "run" / "checkpoints", 7)
    for folder in (tmp_path / "run", tmp_path / "run" / "checkpoints"):
        with pytest.raises(InputError, match=f"holds 1; name one, such as .*{newest.name}"):
            checkpoints.refuse_run(folder)
    checkpoints.refuse_run(newest)


def test_a_write_that_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    made(tmp_path, 1)

    def write(at: Path) -> None:
        (at / "weights").write_bytes(b"x")
        raise OSError(28, "No space left on device")

    with pytest.raises(StorageError, match="the disk is full"):
        checkpoints.save(tmp_path, 2, write, {})
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]
    checkpoints.check(checkpoints.path_of(tmp_path, 1))


def test_a_disk_that_is_full_while_saving_leaves_the_last_one_intact(tmp_path: Path) -> None:
    """A real refusal of the kernel: no file may grow beyond 1 MB."""
    script = (
        "import sys, pathlib, torch\n"
        "from safetensors.torch import save_file\n"
        "from model.training import checkpoints\n"
        "from stack_data.errors import StorageError\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "def write(size): return lambda at: save_file({'w': torch.zeros(size)}, str(at / 'model.safetensors'))\n"
        "checkpoints.save(folder, 1, write(1000), {})\n"
        "try: checkpoints.save(folder, 2, write(1000000), {})\n"
        "except StorageError as error: print(error)\n"
    )
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))  # noqa: E731
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, preexec_fn=limit, check=True
    )
    assert "step-00000002" in done.stdout
    assert "the disk is full" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]
    checkpoints.check(checkpoints.path_of(tmp_path, 1))


def test_what_a_killed_save_left_is_cleared_away(tmp_path: Path) -> None:
    made(tmp_path, 1)
    (tmp_path / "unfinished-00000002").mkdir()
    checkpoints.remove_unfinished(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]
