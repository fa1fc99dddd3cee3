"""Any damage to any file of an index: one clear error, or the whole answer that a sound index gives; and no writer makes it lasting.

Of an index of several segments, with a text that a later release shows otherwise, removals and hashes of what was merged away. A damage is one bit or
byte changed, a run of zeros, bytes swapped, doubled or cut out, the end lost, or a file of another segment in its place.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stack_data.errors import InputError
from stack_data.identity import content_id
from stack_data.search import files_lookup, owners
from stack_data.search.answer import as_json
from stack_data.search.build import add, build
from stack_data.search.deny import DenyIndex
from stack_data.search.index import open_index
from stack_data.search.integrity import verify_index
from stack_data.search.merge import merge
from stack_data.search.query import match
from stack_data.search.removals import remove
from tests.search.releases import At, Content, program, release

DAMAGES = 25
"""Of each file."""
EMPTY_IS_NONE = {"removals.jsonl", "removals.applied", "removals.lock", ".lock"}
"""What only writers read, and what may be missing."""
MOVED = Content(program(4, 40), (At("jane", path="moved.py"),))
CONTENTS = [
    *(Content(program(one, 40), (At("jane", path=f"{one}.py"), At("joe"))) for one in (1, 2, 3)),
    MOVED, Content(program(5, 40), (At("sue"),)), Content(program(6, 40), (At("ann"),)),
]  # fmt: skip
GONE = Content(program(9, 40), (At("tom"),))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("damage")
    build([release(folder, [*CONTENTS[:4], GONE])], folder / "index")
    remove(folder / "index", owners=["github.com/tom"])
    merge(folder / "index")
    redacted = Content(MOVED.text, MOVED.places, released=MOVED.text.replace("comment", "remark"))
    add(folder / "index", release(folder, [redacted, *CONTENTS[4:]], "2.0.0", rows=1), segment_bytes=2500)
    remove(folder / "index", owners=["github.com/sue"])
    return folder / "index"


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def answers(folder: Path) -> Any:
    """Return everything that an index is asked for."""
    index = open_index(folder)
    every = [*CONTENTS, GONE]
    asked = [one.text for one in every] + [one.text[300:900] for one in every]
    asked += [one.text[:1500].replace("value", "other_value") for one in every]
    ids = np.array([bytes.fromhex(one.id) for one in every], "S20")
    documents = index.find(ids)
    known = documents[documents >= 0]
    return (
        [as_json(match(index, text, "Python")) for text in asked], index.texts(known).texts.to_pylist(), index.facts(known),
        [files_lookup.file(index, one.id) for one in every], owners.owner(index, owners.asked_in(index, "jane")),
        [DenyIndex(folder).refusal("", one.text) for one in every], index.searched,
    )  # fmt: skip


def damages(raw: bytes, others: list[bytes], draw: random.Random) -> list[bytes]:
    """Return what a file may turn into."""
    found = [b"", raw + b"\0", bytes(len(raw)), *others]
    for _ in range(DAMAGES if raw else 0):
        at, size = draw.randrange(len(raw)), draw.randrange(1, 1 + min(len(raw), 64))
        found += [
            raw[:at] + bytes([raw[at] ^ (1 << draw.randrange(8))]) + raw[at + 1 :],
            draw.choice(
                [
                    raw[:at] + draw.randbytes(1) + raw[at + 1 :], raw[:at] + bytes(len(raw[at : at + size])) + raw[at + size :],
                    raw[:at] + raw[at : at + size] + raw[at:], raw[:at] + raw[at + size :], raw[:at],
                    raw[:at] + raw[at : at + size][::-1] + raw[at + size :],
                ]
            ),
        ]  # fmt: skip
    return [one for one in found if one != raw]


def damaged(made: Path, folder: Path, name: str, content: bytes) -> Path:
    shutil.copytree(made, folder, copy_function=os.link)
    (folder / name).unlink()
    (folder / name).write_bytes(content)
    return folder


@pytest.mark.slow
def test_any_damage_is_named_or_changes_no_answer(made: Path, tmp_path: Path) -> None:
    expected, whole = answers(made), verify_index(made)
    assert not whole.problems and len(list((made / "segments").iterdir())) >= 3
    refused = same = 0
    wrong = []
    for name in files(made):
        folder = Path(name).parent
        others = [(made / one).read_bytes() for one in files(made) if Path(one).name == Path(name).name and one != name]
        changes = damages((made / name).read_bytes(), others, random.Random(Path(name).name))
        for number, content in enumerate(changes):
            copy = damaged(
                made, tmp_path / str(folder).replace("/", "-") / f"{Path(name).name}-{number}", name, content
            )
            found = outcome(copy, lambda copy=copy: answers(copy))  # type: ignore[misc]
            if found is None:
                refused += 1
            elif isinstance(found, str):
                wrong.append((name, number, found))
            elif found != expected:
                wrong.append((name, number, "another answer"))
            else:
                same += 1
            shutil.rmtree(copy)
    assert wrong == []
    assert refused > 3 * same


def outcome(folder: Path, ask: Callable[[], Any]) -> Any:
    """Return what is answered, None when it is refused with one line that names the index; a string for anything else."""
    try:
        return ask()
    except InputError as error:
        return None if str(folder) in str(error) and "\n" not in str(error) else f"says {error}"
    except Exception as error:  # noqa: BLE001 - what else happens is what is looked for
        return f"{type(error).__name__}: {error}"


@pytest.mark.slow
@pytest.mark.parametrize("change", ["merge", "remove", "add"])
def test_a_writer_refuses_damage_or_does_what_it_would_have_done(made: Path, tmp_path: Path, change: str) -> None:
    extra = release(tmp_path, [Content(program(20, 40), (At("eve"),)), CONTENTS[1]], "3.0.0")
    do: dict[str, Callable[[Path], object]] = {
        "merge": merge, "remove": lambda folder: remove(folder, owners=["github.com/ann"]), "add": lambda folder: add(folder, extra),
    }  # fmt: skip
    whole = Path(shutil.copytree(made, tmp_path / "whole"))
    do[change](whole)
    expected, wrong = answers(whole), []
    for name in files(made):
        if name in EMPTY_IS_NONE:
            continue
        for number, content in enumerate(damages((made / name).read_bytes(), [], random.Random(Path(name).name))[:12]):
            copy = damaged(made, tmp_path / f"{number}-{name.replace('/', '-')}", name, content)
            # Tombstones are written in place: they are no links.
            for path in [*copy.rglob("tombstones"), *copy.glob("removals.*")]:
                raw = path.read_bytes()
                path.unlink()
                path.write_bytes(raw)
            done = outcome(copy, lambda copy=copy: [do[change](copy)])  # type: ignore[misc]
            found = done if done is None or isinstance(done, str) else outcome(copy, lambda copy=copy: answers(copy))  # type: ignore[misc]
            if isinstance(found, str) or found not in (None, expected):
                wrong.append((name, number, found if isinstance(found, str) else "another answer"))
            elif found is not None and change == "merge":
                assert not verify_index(copy).problems
            shutil.rmtree(copy)
    assert wrong == []


def test_a_file_of_another_index_is_refused(made: Path, tmp_path: Path) -> None:
    build([release(tmp_path, [Content(program(30, 40)), Content(program(31, 40))])], tmp_path / "other")
    for path in (tmp_path / "other/segments/1").iterdir():
        name = f"segments/{min((made / 'segments').iterdir()).name}/{path.name}"
        if path.name not in ("tombstones", "superseded.i64") and path.read_bytes() != (made / name).read_bytes():
            copy = damaged(made, tmp_path / f"with-{path.name}", name, path.read_bytes())
            assert outcome(copy, lambda copy=copy: answers(copy)) is None, path.name  # type: ignore[misc]
    assert content_id(b"") not in str(answers(made))
