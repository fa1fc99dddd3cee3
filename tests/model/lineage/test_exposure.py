"""What a checkpoint saw of contents that left later."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from model.lineage import exposure, record
from model.lineage.mandatory import refuse_older
from stack_data import storage
from stack_data.errors import InputError

IDS = np.arange(60, dtype=np.uint8).reshape(3, 20)
DATA = record.DataFacts(
    ({"name": "corpus", "version": "1.0.0", "identity": "ab"},), {"registry": 2}, {}, ({"identity": "cd", "drops": 0},)
)


def checkpoint(folder: Path, saved: list[int]) -> Path:
    seen = exposure.Exposure.empty(3)
    seen.add(2, np.array([1, 1]))
    seen.add(5, np.array([1, 2]))
    seen.write(folder / exposure.NAME, IDS)
    storage.write_json(
        folder / record.NAME, {"format": record.FORMAT, "checkpoints": [{"step": step} for step in saved]}
    )
    return folder


def test_first_and_last_step_times_and_the_last_clean_checkpoint_are_told(tmp_path: Path) -> None:
    found = exposure.exposure(checkpoint(tmp_path, [1, 2, 4]), [one.tobytes().hex() for one in IDS])
    assert [one.to_json() for one in found] == [
        {"content_id": IDS[1].tobytes().hex(), "first_step": 2, "last_step": 5, "times": 3, "last_clean": 1},
        {"content_id": IDS[2].tobytes().hex(), "first_step": 5, "last_step": 5, "times": 1, "last_clean": 4},
    ]


def test_what_was_never_seen_is_not_listed(tmp_path: Path) -> None:
    assert exposure.exposure(checkpoint(tmp_path, []), ["00" * 20, IDS[0].tobytes().hex()]) == []


def test_a_saved_exposure_goes_on(tmp_path: Path) -> None:
    found = exposure.restored(checkpoint(tmp_path, []) / exposure.NAME, IDS)
    assert found.first.tolist() == [0, 2, 5]
    assert found.times.tolist() == [0, 3, 1]


def test_an_exposure_of_other_documents_is_refused(tmp_path: Path) -> None:
    path = checkpoint(tmp_path, []) / exposure.NAME
    with pytest.raises(InputError, match="documents that the shards do not have"):
        exposure.restored(path, IDS[::-1])
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(InputError, match="cannot be read"):
        exposure.read(path)


def test_epochs_have_the_steps_that_they_were_in_force_for() -> None:
    def at(epochs: dict[str, int]) -> record.DataFacts:
        return record.DataFacts(DATA.releases, epochs, {}, DATA.shards)

    made = record.Lineage("run", {}, DATA)
    made.go_on(at({"registry": 2}), 0)
    made.go_on(at({"registry": 2, "local": 1}), 4)
    made.go_on(at({"registry": 3, "local": 1}), 9)
    told = made.to_json(12, {})["suppressions"]
    assert [(one["issuer"], one["epoch"], one["first_step"], one["last_step"]) for one in told] == [
        ("registry", 2, 1, 9), ("local", 1, 5, 12), ("registry", 3, 10, 12),
    ]  # fmt: skip


def test_what_only_one_release_follows_is_told_of_that_one() -> None:
    def at(*epochs: dict[str, int]) -> record.DataFacts:
        named = (
            {"name": name, "version": "1.0.0", "identity": name, "epochs": one}
            for name, one in zip("ab", epochs, strict=True)
        )
        common = set.intersection(*map(set, epochs))
        return record.DataFacts(
            tuple(named), {issuer: min(one[issuer] for one in epochs) for issuer in common}, {}, DATA.shards
        )

    made = record.Lineage("run", {}, at({}, {}))
    made.go_on(at({}, {}), 0)
    made.go_on(at({"local": 3}, {}), 4)
    again = record.resumed(made.to_json(6, {}), {}, at({"local": 3}, {}))
    again.go_on(at({"local": 3}, {"local": 2}), 9)
    told = again.to_json(12, {})["suppressions"]
    assert [(one["issuer"], one["epoch"], one.get("release"), one["first_step"], one["last_step"]) for one in told] == [
        ("local", 3, "a 1.0.0", 5, 12), ("local", 2, None, 10, 12),
    ]  # fmt: skip


def test_a_record_that_is_read_again_goes_on_as_if_never_stopped() -> None:
    made = record.Lineage("run", {}, DATA)
    made.go_on(DATA, 0)
    again = record.resumed(made.to_json(7, {}), {}, DATA)
    again.go_on(DATA, 7)
    assert again.to_json(9, {})["suppressions"] == [{"issuer": "registry", "epoch": 2, "first_step": 1, "last_step": 9}]


@pytest.mark.parametrize(
    ("issuer", "least", "told"), [("registry", 3, "follows epoch 2"), ("other", 1, "follows no list")]
)
def test_older_data_than_is_mandatory_is_refused(issuer: str, least: int, told: str) -> None:
    with pytest.raises(InputError, match=f"mandatory from epoch {least}, and this data {told}"):
        refuse_older(DATA, {issuer: least}, "fairstack model drop SHARDS")
    refuse_older(DATA, {"registry": 2}, "")
