"""Writers that are killed at any moment, in processes of their own; readers in other processes see removals at once."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from stack_data import storage
from stack_data.errors import InputError
from stack_data.search import index_state
from stack_data.search.build import add, build
from stack_data.search.index import open_index
from stack_data.search.integrity import verify_index
from stack_data.search.merge import merge
from stack_data.search.removals import remove
from tests.search.releases import At, Content, program, release
from tests.search.test_index import contents_found, tree

KILLS = 4
OWNERS = [f"owner{number}" for number in range(4)]

# Adds, removes and merges without end, each time in a fresh copy; says what it promised.
WRITER = """
import json, shutil, sys
from pathlib import Path
from stack_data.search.build import add
from stack_data.search.merge import merge
from stack_data.search.removals import remove
start, work, releases = Path(sys.argv[1]), Path(sys.argv[2]), [Path(one) for one in sys.argv[3:]]
shutil.copytree(start, work / "warm"); add(work / "warm", releases[1]); remove(work / "warm", owners=["x/y"]); merge(work / "warm")
print("ready", flush=True)
for round in range(100000):
    target = work / str(round)
    shutil.copytree(start, target)
    print(json.dumps({"round": round}), flush=True)
    for number, one in enumerate(releases):
        add(target, one, segment_bytes=3000)
        print(json.dumps({"added": number}), flush=True)
        remove(target, owners=[f"github.com/owner{number}"])
        print(json.dumps({"removed": number}), flush=True)
    merge(target)
    print(json.dumps({"merged": True}), flush=True)
    if round > 1:
        shutil.rmtree(work / str(round - 2))
"""


def contents_of(number: int) -> list[Content]:
    return [Content(program(10 * number + one), (At(OWNERS[number]),)) for one in range(6)]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Path]]:
    """An index of one release, and three releases to add."""
    folder = tmp_path_factory.mktemp("killed")
    build([release(folder, contents_of(3), "0.1.0")], folder / "start")
    releases = [release(folder, contents_of(number), f"{number + 1}.0.0") for number in range(3)]
    return folder / "start", releases


def killed(start: Path, work: Path, releases: list[Path], seconds: float) -> tuple[Path, set[int], set[int]]:
    """Kill a writer after a time; return the index it was at, and the releases it had promised as added and as removed."""
    work.mkdir()
    words = [sys.executable, "-c", WRITER, str(start), str(work), *map(str, releases)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        time.sleep(seconds)
        writer.send_signal(signal.SIGKILL)
        said = [json.loads(line) for line in writer.stdout.read().splitlines() if line.endswith("}")]
    rounds = [at for at, one in enumerate(said) if "round" in one]
    last = said[rounds[-1] :]
    added, removed = ({one[key] for one in last if key in one} for key in ("added", "removed"))
    return work / str(last[0]["round"]), added, removed


@pytest.mark.slow
def test_a_killed_writer_leaves_the_last_good_state(world: tuple[Path, list[Path]], tmp_path: Path) -> None:
    start, releases = world
    draw = random.Random(7)
    for number in range(KILLS):
        folder, added, removed = killed(start, tmp_path / str(number), releases, draw.uniform(0, 2.5))
        index = open_index(folder)
        seen = {int(one.version[0]) - 1 for one in index.searched[1:]}
        assert added <= seen <= added | {len(added)}
        for one in range(3):
            found = {identity for content in contents_of(one) for identity in contents_found(index, content.text)}
            if one in removed or one not in seen:
                assert not found
            elif one in added and one < len(added) - 1:
                assert found == {content.id for content in contents_of(one)}
        # The next writer clears away what is left over, and the end is that of a writer nobody killed.
        for one, path in enumerate(releases):
            add(folder, path, segment_bytes=3000)
            remove(folder, owners=[f"github.com/{OWNERS[one]}"])
        remove(folder)
        assert verify_index(folder).problems == []
        merge(folder)
        assert verify_index(folder).problems == []
        assert {path.name for path in (folder / "segments").iterdir()} == {
            str(one) for one, _ in index_state.read(folder).segments
        }
        assert contents_found(open_index(folder), contents_of(3)[0].text) == {contents_of(3)[0].id}
        kept = {name: raw for name, raw in tree(folder).items() if name.startswith("segments/")}
        assert set(kept.values()) == set(_undisturbed(start, releases, tmp_path / f"{number}-whole").values())


def _undisturbed(start: Path, releases: list[Path], folder: Path) -> dict[str, bytes]:
    shutil.copytree(start, folder)
    for one, path in enumerate(releases):
        add(folder, path, segment_bytes=3000)
        remove(folder, owners=[f"github.com/{OWNERS[one]}"])
    merge(folder)
    return {name: raw for name, raw in tree(folder).items() if name.startswith("segments/")}


READER = """
import sys, time
from pathlib import Path
import numpy as np
from stack_data.search.index import open_index
index = open_index(Path(sys.argv[1]))
document = index.find(np.array([bytes.fromhex(sys.argv[2])], "S20"))
index.facts(document), index.living(document)
print("ready", flush=True)
while index.living(document)[0]:
    pass
print(time.time(), flush=True)
"""


def test_a_reader_in_another_process_sees_a_removal_at_once(world: tuple[Path, list[Path]], tmp_path: Path) -> None:
    folder = tmp_path / "index"
    shutil.copytree(world[0], folder)
    words = [sys.executable, "-c", READER, str(folder), contents_of(3)[0].id]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "ready\n"
        remove(folder, owners=["github.com/owner3"])
        done = time.time()
        assert float(reader.stdout.readline()) - done < 1


def test_a_second_writer_is_refused_and_a_removal_is_not(world: tuple[Path, list[Path]], tmp_path: Path) -> None:
    folder = tmp_path / "index"
    shutil.copytree(world[0], folder)
    with storage.locked(folder):
        with pytest.raises(InputError, match="is held by another process"):
            add(folder, world[1][0])
        with pytest.raises(InputError, match="is held by another process"):
            merge(folder)
        assert remove(folder, owners=["github.com/owner3"]).num_contents == 6


def test_readers_go_on_while_segments_are_added_and_merged(world: tuple[Path, list[Path]], tmp_path: Path) -> None:
    folder = tmp_path / "index"
    shutil.copytree(world[0], folder)
    stop, problems, asked = threading.Event(), [], [0]

    def read() -> None:
        index = open_index(folder)
        while not stop.is_set():
            index = index.current()
            if contents_found(index, contents_of(3)[0].text) != {contents_of(3)[0].id}:
                problems.append("lost a content")
            documents = index.find(np.array([bytes.fromhex(one.id) for one in contents_of(3)], "S20"))
            if [len(one.places) for one in index.facts(documents)] != [1] * 6 or len(index.texts(documents).texts) != 6:
                problems.append("lost a place")
            open_index(folder)
            asked[0] += 1

    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        for number, one in enumerate(world[1]):
            add(folder, one, segment_bytes=2000)
            remove(folder, owners=[f"github.com/{OWNERS[number]}"])
            merge(folder, segment_bytes=3000)
        stop.set()
        for reader in readers:
            reader.result()
    assert problems == []
    assert asked[0] > 1
