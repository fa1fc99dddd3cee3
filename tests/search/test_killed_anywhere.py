"""Writers killed before some thing that they do to the disk, whichever it is: what is left is the state before, or the one after.

A process that has everything loaded forks a writer for each kill. An audit hook counts what the writer opens for writing, makes,
renames, deletes and maps, and sends SIGKILL before the n-th. (test_killed.py kills at random times, also within a write.)
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stack_data.search.build import add, build
from stack_data.search.index import open_index
from stack_data.search.integrity import verify_index
from stack_data.search.merge import merge
from stack_data.search.query import match
from stack_data.search.removals import remove
from tests.search.releases import At, Content, program, release
from tests.search.test_index import tree

KILLS = 40
"""Of each kind of writer, at other places each; it does 100 to 200 such things."""
FORKER = """
import json, os, signal, sys
from pathlib import Path
from stack_data.search.build import add
from stack_data.search.merge import merge
from stack_data.search.removals import remove
release, warm = Path(sys.argv[1]), Path(sys.argv[2])
done = {
    "add": lambda folder: add(folder, release, segment_bytes=3000),
    "remove": lambda folder: remove(folder, owners=["github.com/joe"], contents=[sys.argv[3]]),
    "merge": lambda folder: merge(folder, segment_bytes=6000),
}
changes = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.truncate", "shutil.rmtree", "mmap.__new__"}
count = at = 0
def hook(event, given):
    global count
    if event == "open" and isinstance(given[2], int) and given[2] & os.O_ACCMODE != os.O_RDONLY or event in changes:
        count += 1
        if count == at:
            os.kill(os.getpid(), signal.SIGKILL)
for one in ("add", "remove", "merge"):
    done[one](warm)
print("ready", flush=True)
for line in sys.stdin:
    what, folder, number = json.loads(line)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        at = number
        sys.addaudithook(hook)
        done[what](Path(folder))
        os.write(writer, str(count).encode())
        os._exit(0)
    os.close(writer)
    status = os.waitpid(child, 0)[1]
    print(json.dumps([os.WTERMSIG(status) if os.WIFSIGNALED(status) else -os.WEXITSTATUS(status), os.read(reader, 20).decode()]), flush=True)
    os.close(reader)
"""
# Three segments, of two releases; joe's only contents, and one that jane has too.
OLD = [Content(program(one, 12), (At("jane" if one % 3 else "joe", path=f"{one}.py"),)) for one in range(1, 8)]
BOTH = Content(program(20, 12), (At("jane"), At("joe")))
NEW = [Content(program(one, 12), (At("jane" if one % 2 else "joe", path=f"{one}.py"),)) for one in range(30, 36)]
EVERY = [*OLD, BOTH, *NEW]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("anywhere")
    releases = [release(folder, OLD[:4], "0.1.0"), release(folder, [*OLD[3:], BOTH], "0.2.0")]
    build(releases, folder / "start", segment_bytes=2500)
    release(folder, [*NEW, BOTH], "1.0.0")
    return folder / "start"


@pytest.fixture(scope="module")
def forker(start: Path) -> Iterator[subprocess.Popen[str]]:
    warm = Path(shutil.copytree(start, start.parent / "warm"))
    words = [sys.executable, "-c", FORKER, str(start.parent / "1.0.0"), str(warm), OLD[1].id]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        yield process
        assert process.stdin is not None
        process.stdin.close()


def writer(forker: subprocess.Popen[str], what: str, folder: Path, at: int) -> tuple[int, str]:
    """Run a writer that is killed before what it does as the at-th; return its signal, and how much it did if it was not killed."""
    assert forker.stdin is not None and forker.stdout is not None
    forker.stdin.write(json.dumps([what, str(folder), at]) + "\n")
    forker.stdin.flush()
    signal, count = json.loads(forker.stdout.readline())
    return signal, count


def do(what: str, folder: Path) -> None:
    if what == "add":
        add(folder, folder.parent.parent / "1.0.0", segment_bytes=3000)
    elif what == "remove":
        remove(folder, owners=["github.com/joe"], contents=[OLD[1].id])
    else:
        merge(folder, segment_bytes=6000)


def seen(folder: Path) -> list[Any]:
    """Return what an index says of each content: text, places, and matches of it with their places."""
    index = open_index(folder)
    documents = index.find(np.array([bytes.fromhex(one.id) for one in EVERY], "S20"))
    said: list[Any] = []
    for one, document in zip(EVERY, documents.tolist(), strict=True):
        found = match(index, one.text, "Python").matches
        matches = [
            (hit.content_id, hit.num_tokens, hit.source_span, hit.places) for hit in found if hit.content_id == one.id
        ]
        facts = index.facts(np.array([document])) if document >= 0 else []
        said.append((matches, facts[0].places if facts else ()))
    return [[release.label for release in index.searched], *said]


@pytest.mark.slow
@pytest.mark.parametrize("what", ["add", "remove", "merge"])
def test_a_writer_killed_anywhere_leaves_the_state_before_or_after(
    start: Path, forker: subprocess.Popen[str], tmp_path: Path, what: str
) -> None:
    start = _prepared(start, what, start.parent / f"of-{what}")
    whole = Path(shutil.copytree(start, start.parent / "whole"))
    signal, count = writer(forker, what, whole, 0)
    assert signal == 0 and int(count) > 3
    before, after = seen(start), seen(whole)
    assert (before != after) == (what != "merge")
    wanted = settled(whole)
    reached = set()
    for at in sorted(random.Random(what).sample(range(1, int(count) + 1), min(KILLS, int(count)))):
        folder = Path(shutil.copytree(start, start.parent / str(at)))
        # Names are random, so that one writer may do a little less than another.
        assert writer(forker, what, folder, at) in [(9, ""), (0, str(at - 1)), (0, str(at - 2))]
        left = seen(folder)
        reached.add(left == after)
        if what == "remove":
            # Places go one after the other; the next writer carries out the rest.
            assert all(one in (old, new) for one, old, new in zip(left, before, after, strict=True))
        else:
            assert left in (before, after)
        do(what, folder)
        assert seen(folder) == after
        assert verify_index(folder).problems == []
        assert settled(folder) == wanted
        assert not list(folder.rglob("*.tmp"))
        shutil.rmtree(folder)
    assert reached == {True} if what == "merge" else {True, False}


def _prepared(start: Path, what: str, folder: Path) -> Path:
    """Return a copy of the index in which there is something to do."""
    copy = Path(shutil.copytree(start, folder / "start"))
    if what == "merge":
        # There are hashes of what an earlier merge erased, too.
        remove(copy, contents=[OLD[4].id])
        merge(copy, segment_bytes=4000)
        do("remove", copy)
    return copy


def settled(folder: Path) -> dict[str, list[bytes]]:
    """Return all files by what they are, but those that state numbers of segments or names of batches, which differ from run to run."""
    found: dict[str, list[bytes]] = {}
    for name, raw in sorted(tree(folder).items(), key=lambda one: one[1]):
        parts = name.split("/")
        if name == "removals.applied":
            raw = json.dumps(sorted(json.loads(raw)["segments"].values())).encode()
        if name != "index.json" and not name.endswith(".tmp") and (parts[0], parts[-1]) != ("deny", "manifest.json"):
            found.setdefault(f"{parts[0]}/{parts[-1]}", []).append(raw)
    return found
