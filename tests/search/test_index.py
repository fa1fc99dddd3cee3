"""Adding, asking, removing and merging, against the index in memory and by looking at every file."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from stack_data.errors import InputError
from stack_data.identity import place_id
from stack_data.optout.lists import Entry, SuppressionList
from stack_data.search.build import add, build
from stack_data.search.families import family_of
from stack_data.search.grams import grams_of
from stack_data.search.index import Index, open_index
from stack_data.search.integrity import verify_index
from stack_data.search.lexer import lex, lexemes
from stack_data.search.merge import merge
from stack_data.search.removals import remove
from stack_data.search.views import LEXEME, VIEWS
from tests.search.memory_index import MemoryIndex, Source
from tests.search.releases import At, Content, program, release

PYTHON = family_of("Python")
JANE, JOE = At("jane"), At("joe", "fork", "b.py")


def hits(index: Index | MemoryIndex, text: str) -> set[tuple[str, int, str, int]]:
    """Return every candidate of a query: view, gram, content id, position."""
    found = set()
    for view in VIEWS:
        tokens = lexemes(pa.array([text])) if view is LEXEME else lex(pa.array([text]), PYTHON)
        made = index.candidates(grams_of(tokens, view))
        ids = index.content_ids(made.document)
        order = list(zip(made.query.tolist(), made.document.tolist(), made.position.tolist(), strict=True))
        assert order == sorted(order)
        found |= {
            (view.name, query, raw.ljust(20, b"\0").hex(), position)
            for query, raw, position in zip(made.query.tolist(), ids.tolist(), made.position.tolist(), strict=True)
        }
    return found


def test_of_the_commonest_grams_nothing_is_looked_for_and_they_are_named(tmp_path: Path) -> None:
    folder = release(tmp_path / "r", [Content(program(number), (At("jane", f"r{number}"),)) for number in range(40)])
    build([folder], tmp_path / "index", segment_bytes=1500)
    index = open_index(tmp_path / "index")
    assert len(index.segments) > 1
    for view in VIEWS:
        text = pa.array([program(3)])
        grams = grams_of(lexemes(text) if view is LEXEME else lex(text, PYTHON), view)
        every = index.candidates(grams)
        assert not every.left_out.any() and len(every)
        for most in (0, 1, 20, 300, len(every) // 2, 10**6):
            few = index.candidates(grams, most)
            kept = ~few.left_out[every.query]
            assert (few.query.tolist(), few.document.tolist(), few.position.tolist()) == tuple(
                column[kept].tolist() for column in (every.query, every.document, every.position)
            )
            assert few.left_out.any() == (len(few) < len(every)) or most <= len(every)
            assert not few.left_out.all()
            counts = np.bincount(every.query, minlength=len(grams))
            assert len(few) <= max(most, counts.min())


def contents_found(index: Index, text: str) -> set[str]:
    """Return the contents with candidates in the code view; blinded, all programs of these tests are alike."""
    return {one[2] for one in hits(index, text) if one[0] == "code"}


def places_of(index: Index, content: Content) -> list[tuple[str, str]]:
    """Return the places that are shown of a content: relation, repo_name."""
    document = index.find(np.array([bytes.fromhex(content.id)], "S20"))
    return [(one.relation, one.repo_name) for one in index.facts(document)[0].places]


def tree(folder: Path) -> dict[str, bytes]:
    """Return every file of an index."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_candidates_are_those_of_the_index_in_memory(tmp_path: Path) -> None:
    texts = [program(seed, 5 + seed) for seed in range(1, 12)] + [
        program(1) + program(2),
        "",
        "x = 1\n",
        "# only a comment\n" * 40,
    ]
    build(
        [release(tmp_path, [Content(text) for text in texts], shards=3)],
        tmp_path / "index",
        workers=2,
        segment_bytes=5000,
    )
    index = open_index(tmp_path / "index")
    assert len(index.segments) > 1
    memory = MemoryIndex([Source(text) for text in texts])
    num_wanted = num_chance = 0
    for query in [*texts, program(3)[200:1500], program(4)[300:900] + program(5)[100:800], "nothing of it"]:
        found, wanted = hits(index, query), hits(memory, query)
        assert wanted <= found
        num_wanted += len(wanted)
        num_chance += len(found - wanted)
    assert num_chance < 0.01 * num_wanted
    assert verify_index(tmp_path / "index").problems == []


def test_texts_and_facts_are_the_release_s(tmp_path: Path) -> None:
    one = Content("grüße = '\U0001f600'\r\n" * 9, (JANE, JOE, At("ann", near="other")), released="grüße = 'X'\r\n" * 9)
    other = Content("large = 1\n" * 40_000, (At("sue", license=("MIT", "BSD-3-Clause")),), language=None)
    build([release(tmp_path, [one, other, Content("")])], tmp_path / "index")
    index = open_index(tmp_path / "index")
    documents = index.find(np.array([bytes.fromhex(content.id) for content in (other, one)], "S20"))
    texts = index.texts(documents)
    assert [text.decode() for text in texts.texts.to_pylist()] == [other.shown, one.shown]
    assert [raw.hex() for raw in texts.content_id.to_pylist()] == [other.id, one.id]
    assert texts.families.tolist() == [family_of(None), PYTHON]
    second, first = index.facts(documents)
    assert (first.content_id, first.language, first.license, first.versions, first.withheld) == (
        one.id,
        "Python",
        "MIT",
        ("corpus 1.0.0",),
        0,
    )
    assert [(place.relation, place.repo_name, place.path, place.revision) for place in first.places] == [
        ("self", "jane/lib", "a.py", "r1"), ("exact", "joe/fork", "b.py", "r1"), ("near", "ann/lib", "a.py", "r1"),
    ]  # fmt: skip
    assert first.places[2].content_id == Content("other").id
    assert (second.language, second.license) == ("", "MIT AND BSD-3-Clause")
    assert index.texts(np.empty(0, np.int64)).texts.to_pylist() == []
    segment = index.segments[0]
    assert (
        segment.documents["sha256"].to_pylist()[segment.content_ids.tolist().index(bytes.fromhex(one.id))]
        == hashlib.sha256(one.text.encode()).digest()
    )
    assert segment.repositories["key"].to_pylist() == [
        "github.com/ann/lib",
        "github.com/jane/lib",
        "github.com/joe/fork",
        "github.com/sue/lib",
    ]


def test_bytes_do_not_depend_on_workers(tmp_path: Path) -> None:
    made = release(tmp_path, [Content(program(seed, seed * 40)) for seed in range(1, 20)], shards=4)
    for workers in (1, 2, 5):
        build([made], tmp_path / str(workers), workers=workers, segment_bytes=60_000)
    assert tree(tmp_path / "1") == tree(tmp_path / "2") == tree(tmp_path / "5")
    merge(tmp_path / "1", workers=1)
    merge(tmp_path / "2", workers=3)
    assert tree(tmp_path / "1") == tree(tmp_path / "2")


def test_a_release_is_added_once_and_seen_by_open_readers(tmp_path: Path) -> None:
    kept, new = Content(program(1), (JANE,)), Content(program(2), (JOE,))
    first = release(tmp_path, [kept])
    second = release(tmp_path, [Content(program(1), (JANE, JOE)), new], "1.1.0")
    build([first], tmp_path / "index")
    reader = open_index(tmp_path / "index")
    assert reader.current() is reader
    assert add(tmp_path / "index", first).num_contents == 0
    added = add(tmp_path / "index", second)
    assert (added.num_contents, added.num_texts, added.num_places) == (2, 1, 3)
    assert contents_found(reader, program(2)) == set()
    now = reader.current()
    assert now.segments[0] is reader.segments[0]
    assert contents_found(now, program(2)) == {new.id}
    assert [one.label for one in now.searched] == ["corpus 1.0.0", "corpus 1.1.0"]
    document = now.find(np.array([bytes.fromhex(kept.id)], "S20"))
    assert now.facts(document)[0].versions == ("corpus 1.0.0", "corpus 1.1.0")
    assert places_of(now, kept) == [("self", "jane/lib"), ("exact", "joe/fork")]
    assert places_of(now, new) == [("self", "joe/fork")]
    before = {text: hits(now, text) for text in (program(1), program(2))}
    assert merge(tmp_path / "index").num_after == 1
    for text, found in before.items():
        assert hits(now, text) == hits(now.current(), text) == found
    assert places_of(now.current(), kept) == places_of(now, kept)
    assert now.current().facts(now.current().find(np.array([bytes.fromhex(kept.id)], "S20")))[0].versions == (
        "corpus 1.0.0",
        "corpus 1.1.0",
    )


def test_the_text_of_the_release_that_was_added_last_counts(tmp_path: Path) -> None:
    was, now = Content(program(1)), Content(program(1), released=program(1).replace("comment", "remark"))
    build([release(tmp_path, [was]), release(tmp_path, [now], "1.1.0")], tmp_path / "index")
    index = open_index(tmp_path / "index")
    wanted = {one[:2] + (was.id,) + one[3:] for one in hits(MemoryIndex([Source(now.shown)]), was.text)}
    for one in (index, merge(tmp_path / "index") and index.current()):
        document = one.find(np.array([bytes.fromhex(was.id)], "S20"))
        assert one.texts(document).texts.to_pylist() == [now.shown.encode()]
        assert hits(one, was.text) == wanted
        assert len(one.facts(document)[0].versions) == 2
    assert verify_index(tmp_path / "index").problems == []


def test_what_was_removed_is_gone_from_open_readers(tmp_path: Path) -> None:
    both, his, hers = (
        Content(program(1), (JANE, JOE)),
        Content(program(2), (JOE,)),
        Content(program(3), (JANE, At("joe", near="x"))),
    )
    build([release(tmp_path, [both, his, hers])], tmp_path / "index")
    reader = open_index(tmp_path / "index")
    removed = remove(tmp_path / "index", owners=["GitHub.com/JOE"])
    assert (removed.num_places, removed.num_contents) == (3, 1)
    assert remove(tmp_path / "index", owners=["github.com/joe"]) == type(removed)(0, 0)
    assert reader.current() is reader
    assert contents_found(reader, program(2)) == set()
    assert places_of(reader, both) == [("self", "jane/lib")]
    assert places_of(reader, hers) == [("self", "jane/lib")]
    assert places_of(reader, his) == []
    withheld = reader.candidates(grams_of(lex(pa.array([program(2)]), PYTHON), VIEWS[1])).withheld
    assert reader.content_ids(withheld).tolist() == [bytes.fromhex(his.id)]
    assert reader.facts(reader.find(np.array([bytes.fromhex(both.id)], "S20")))[0].withheld == 1
    assert "joe" not in (tmp_path / "index" / "removals.jsonl").read_text()
    merged = merge(tmp_path / "index")
    assert (merged.num_after, merged.num_contents, merged.num_dropped) == (1, 2, 1)
    assert b"joe" not in b"".join(tree(tmp_path / "index").values())
    assert verify_index(tmp_path / "index").problems == []


@pytest.mark.parametrize(
    ("kind", "target", "left"),
    [
        ("owners", "github.com/group", {1, 4}), ("owners", "github.com/group/sub", {1, 2, 4}), ("owners", "github.com/gro", {1, 2, 3, 4}),
        ("repositories", "github.com/jane/LIB", {2, 3, 4}), ("repositories", "pypi/-/some.name", {1, 2, 3}),
        ("repositories", "github.com/group/sub/lib", {1, 2, 4}),
        ("contents", Content(program(1)).id, {2, 3, 4}),
        ("places", place_id(Content(program(2)).id, "github.com", "group", "lib", "a.py"), {1, 3, 4}),
    ],
)  # fmt: skip
def test_each_kind_of_removal_holds_now_and_for_later_releases(
    tmp_path: Path, kind: str, target: str, left: set[int]
) -> None:
    places = {1: JANE, 2: At("group"), 3: At("group/sub"), 4: At("-", "Some_Name", host="pypi")}
    contents = [Content(program(number), (place,)) for number, place in places.items()]
    again = (
        [Content(one.text + "more = 1\n", one.places) for one in contents] if kind in ("owners", "repositories") else []
    )
    build([release(tmp_path, contents)], tmp_path / "index")
    remove(tmp_path / "index", **{kind: [target]})
    for version in ([*contents, *again], contents[:1]):
        index = open_index(tmp_path / "index")
        assert {number for number in places if contents_found(index, program(number))} == left
        add(tmp_path / "index", release(tmp_path, version, f"1.{len(version)}.0"))
    assert verify_index(tmp_path / "index").problems == []


def test_a_gist_is_its_github_owner_s(tmp_path: Path) -> None:
    content = Content(program(1), (At("jane", "0123", host="gist.github.com"),))
    made = release(tmp_path, [content])
    build([made], tmp_path / "now")
    assert remove(tmp_path / "now", owners=["github.com/jane"]).num_places == 1
    build([made], tmp_path / "later")
    remove(tmp_path / "later", owners=["github.com/jane"])
    add(tmp_path / "later", release(tmp_path, [Content(program(2), content.places)], "1.1.0"))
    assert contents_found(open_index(tmp_path / "later"), program(2)) == set()


@pytest.mark.parametrize(
    ("kind", "target"),
    [("owners", "jane"), ("owners", ""), ("repositories", "jane/lib"), ("repositories", "github.com//lib"), ("contents", "ABC"), ("places", "12")],
)  # fmt: skip
def test_what_is_no_name_or_id_is_refused(tmp_path: Path, kind: str, target: str) -> None:
    build([release(tmp_path, [Content(program(1))])], tmp_path / "index")
    with pytest.raises(InputError, match=f"'{target}' is no "):
        remove(tmp_path / "index", **{kind: [target]})


def suppressing(*entries: Entry) -> list[SuppressionList]:
    return [SuppressionList(issuer="local", epoch=1, created="2026-11-21", entries=entries)]


def test_suppression_lists_hide_what_they_name(tmp_path: Path) -> None:
    one = Content(program(1), (JANE, JOE))
    two = Content(program(2), (At("sue", owner_id=7),))
    three = Content(program(3), (At("ann", path="docs/a.py"),))
    build([release(tmp_path, [one, two]), release(tmp_path, [one, three], "1.1.0")], tmp_path / "index")
    masked = suppressing(
        Entry(kind="repository", host="github.com", name="joe/fork", since="2026-01-01", effect="mask"),
        Entry(kind="owner", host="github.com", name="renamed", numeric_id=7, since="2026-01-01"),
        Entry(kind="path", host="github.com", name="ann/lib", glob="docs/", since="2026-01-01"),
    )
    index = open_index(tmp_path / "index", masked)
    assert places_of(index, one) == [("self", "jane/lib")]
    assert [contents_found(index, program(number)) for number in (1, 2, 3)] == [{one.id}, set(), set()]
    assert contents_found(open_index(tmp_path / "index"), program(2)) == {two.id}
    add(tmp_path / "index", release(tmp_path, [Content(program(4), (At("new", owner_id=7),))], "1.2.0"))
    assert contents_found(index.current(), program(4)) == set()
    # Removed, not only hidden: what has the effect `remove`.
    merged = merge(tmp_path / "index", lists=masked)
    assert (merged.num_contents, merged.num_dropped) == (1, 3)
    assert places_of(open_index(tmp_path / "index"), one) == [("self", "jane/lib"), ("exact", "joe/fork")]
    assert verify_index(tmp_path / "index").problems == []


def test_what_spread_was_granted_reaches_near_duplicates(tmp_path: Path) -> None:
    near = Content(program(2), (JOE,))
    beside = Content(program(1), (JANE, At("joe", near=program(2))))
    build([release(tmp_path, [beside]), release(tmp_path, [near], "1.1.0")], tmp_path / "index")
    entry = Entry(kind="owner", host="github.com", name="jane", spread="near", granted="moderator", since="2026-01-01")
    index = open_index(tmp_path / "index", suppressing(entry))
    assert contents_found(index, program(1)) == contents_found(index, program(2)) == set()


def test_an_index_may_lose_everything(tmp_path: Path) -> None:
    build([release(tmp_path, [Content(program(1))])], tmp_path / "index")
    remove(tmp_path / "index", owners=["github.com/jane"])
    assert merge(tmp_path / "index").num_after == 0
    index = open_index(tmp_path / "index")
    assert contents_found(index, program(1)) == set()
    assert len(index.searched) == 1
    assert verify_index(tmp_path / "index").problems == []
    assert remove(tmp_path / "index", owners=["github.com/joe"]).num_places == 0
    add(
        tmp_path / "index",
        release(tmp_path, [Content(program(1)), Content(program(2), (JOE,)), Content(program(3), (At("c"),))], "2.0.0"),
    )
    assert contents_found(index.current(), program(1)) == contents_found(index.current(), program(2)) == set()
    assert len(contents_found(index.current(), program(3))) == 1


@settings(max_examples=25, deadline=None)
@given(some.data())
def test_segments_removals_and_merges_answer_as_one_index(
    tmp_path_factory: pytest.TempPathFactory, data: some.DataObject
) -> None:
    """Releases in any order, cut anywhere, owners removed at any time: as an index in memory of what is left."""
    folder = tmp_path_factory.mktemp("world")
    owners = ["ann", "bob", "cid"]
    draws = some.dictionaries(
        some.integers(1, 6), some.sets(some.sampled_from(owners), min_size=1), min_size=1, max_size=4
    )
    expected: dict[int, set[str]] = {}
    gone: set[str] = set()
    for step in range(data.draw(some.integers(1, 4))):
        world = data.draw(draws)
        contents = [Content(program(number, 4 + number), tuple(map(At, sorted(world[number])))) for number in world]
        add(
            folder / "index",
            release(folder, contents, f"{step}.0.0", shards=2),
            segment_bytes=data.draw(some.sampled_from([1, 2000, 10**6])),
        )
        for number, names in world.items():
            expected[number] = expected.get(number, set()) | names
        if data.draw(some.booleans()):
            name = data.draw(some.sampled_from(owners))
            remove(folder / "index", owners=[f"github.com/{name}"])
            gone.add(name)
        if data.draw(some.booleans()):
            merge(folder / "index", segment_bytes=data.draw(some.sampled_from([1, 10**6])))
    index = open_index(folder / "index")
    memory = MemoryIndex([Source(program(number, 4 + number)) for number, names in expected.items() if names - gone])
    for number, names in expected.items():
        content = Content(program(number, 4 + number))
        wanted = hits(memory, content.text)
        found = hits(index, content.text)
        assert wanted <= found
        assert {one[2] for one in found} <= {one.content_id for one in memory.sources}
        if number < 7 and names - gone:
            assert {one.split("/")[0] for _, one in places_of(index, content)} == names - gone
    assert verify_index(folder / "index").problems == []
