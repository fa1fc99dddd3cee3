"""Queries: every field of an answer, snippets cut anywhere, hot lists, and equality with the naive scan over made-up worlds."""

from __future__ import annotations

import random
from dataclasses import replace
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stack_data.errors import ConfigError
from stack_data.search import chains, verify
from stack_data.search.answer import Answer, as_json
from stack_data.search.limits import QUICK, THOROUGH, Limits
from stack_data.search.query import match
from tests.search import naive
from tests.search.memory_index import MemoryIndex, Source

KEYWORDS = ("if", "for", "in", "return", "not", "while", "else")
NAMES = ("alpha", "beta", "gamma", "delta", "row", "size", "total", "item", "node", "key", "value", "left", "right")
SIGNS = ("+", "-", "*", "(", ")", "[", "]", "=", ":", ".", "==", "<")
LITERALS = ("0", "1", "2.5", "'a'", "'b c'", "17")


def words(seed: int, count: int) -> list[str]:
    """Return tokens of Python, made up: as varied as code is."""
    draw = random.Random(seed)
    return [draw.choice(draw.choice((NAMES, NAMES, SIGNS, SIGNS, KEYWORDS, LITERALS))) for _ in range(count)]


def laid_out(tokens: list[str], seed: int = 0) -> str:
    """Return tokens with layout of a seed; with 0 in lines of eight."""
    draw = random.Random(seed)
    parts = []
    for at, token in enumerate(tokens):
        parts.append(token)
        if seed == 0:
            parts.append("\n" if at % 8 == 7 else " ")
        else:
            parts.append(draw.choice((" ", " ", "  ", "\n    ", " # note\n", ", ", "; ", "\r\n", "\t")))
    return "".join(parts)


def renamed(tokens: list[str]) -> list[str]:
    """Return the tokens with other names, numbers and strings."""
    others = {name: f"other_{at}" for at, name in enumerate(NAMES)}
    others |= {"0": "99", "1": "5", "2.5": "1e3", "17": "4", "'a'": "'zz'", "'b c'": "''"}
    return [others.get(one, one) for one in tokens]


def kinds(answer: Answer) -> list[tuple[str, int]]:
    return [(one.kind, one.num_tokens) for one in answer.matches]


BODY = words(1, 120)
OTHERS = [Source(laid_out(words(100 + at, 300)), places=((f"some/one{at}", "x.py"),)) for at in range(5)]
INDEX = MemoryIndex([*OTHERS, Source("# first\n" + laid_out(BODY) + "\nlast")])


def test_every_field_of_an_answer() -> None:
    source = "# café 😀\r\n\r\n" + laid_out(BODY) + "\nlast"
    places = (("owner/repo", "a/b.py"), ("other/fork", "c.py"))
    index = MemoryIndex([*OTHERS, Source(source, places=places, license="MIT AND ISC")])
    snippet = "\n\t# é\n" + laid_out(renamed(words(2, 20))) + "\n" + laid_out(BODY[:70], 3) + "\nzzz"
    (found,) = (one for one in as_json(match(index, snippet, "Python"))["matches"] if one["kind"] == "reformatted")
    begin, end = found["source_span"]
    assert source[begin:end] == laid_out(BODY[:70]).strip() == source[14 - 2 :][: end - begin]
    assert found["source_lines"] == [3, 11]
    begin, end = found["query_span"]
    assert snippet[begin:end].startswith(BODY[0]) and snippet[begin:end].endswith(BODY[69])
    lines = snippet[:begin].replace("\r\n", "\n").count("\n"), snippet[:end].replace("\r\n", "\n").count("\n")
    assert found["query_lines"] == [lines[0] + 1, lines[1] + 1]
    assert found["num_tokens"] == 70
    assert (found["language"], found["license"], found["versions"]) == ("Python", "MIT AND ISC", ["memory 1.0.0"])
    assert (found["host"], found["repo_name"], found["path"]) == ("example.org", "owner/repo", "a/b.py")
    assert found["content_id"] == Source(source).content_id
    assert [(one["relation"], one["repo_name"], one["path"]) for one in found["provenances"]] == [
        ("self", "owner/repo", "a/b.py"), ("exact", "other/fork", "c.py"),
    ]  # fmt: skip


def test_an_answer_says_what_was_searched_and_from_which_length_on_a_copy_is_found() -> None:
    told = as_json(match(INDEX, "a = 1"))
    assert told["matches"] == [] and told["num_tokens"] == 3 and told["capped"] is False and told["withheld"] == 0
    assert told["guaranteed_from_tokens"] == {"exact": 65, "reformatted": 32, "renamed": 50}
    assert told["searched"] == [{"release": "memory 1.0.0", "identity": INDEX.searched[0].identity}]


@pytest.mark.parametrize("snippet", ["", " ", "\ud800", "\x00", "'''", "/*", "é" * 100, "#" * 500, "0," * 500])
@pytest.mark.parametrize("language", [None, "Python", "C"])
def test_any_string_is_a_snippet(snippet: str, language: str | None) -> None:
    assert match(INDEX, snippet, language).matches == ()


def test_a_language_that_is_none_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(ConfigError, match=r"'Pyhton'.*'Python'"):
        match(INDEX, "a", "Pyhton")
    assert kinds(match(INDEX, laid_out(BODY[:40]), "python3")) == kinds(match(INDEX, laid_out(BODY[:40]), "Python"))


@pytest.mark.parametrize("language", ["Python", None])
@pytest.mark.parametrize(
    ("snippet", "expected"),
    [
        (laid_out(BODY), "exact"), (laid_out(BODY, 5), "reformatted"), (laid_out(BODY).replace("\n", "\r\n"), "exact"),
        (laid_out(BODY).replace(" ", "\t"), "exact"), (laid_out(BODY).replace("'", '"'), "reformatted"),
        (laid_out(BODY).replace("\n", " # 😀\n"), "reformatted"), (laid_out(renamed(BODY)), "renamed"),
        (laid_out(renamed(BODY), 7), "renamed"),
    ],
)  # fmt: skip
def test_the_kind_says_which_tokens_are_equal(snippet: str, expected: str, language: str | None) -> None:
    answer = match(INDEX, snippet, language)
    assert [one.kind for one in answer.matches] == [expected]
    assert answer.matches[0].num_tokens >= 120 and answer.num_tokens == 120


def test_a_run_is_found_from_the_guaranteed_length_on_and_not_below() -> None:
    for begin in range(0, 80):
        assert kinds(match(INDEX, laid_out(BODY[begin : begin + 32], 9), "Python")) == [("reformatted", 32)]
        assert kinds(match(INDEX, laid_out(BODY[begin : begin + 31], 9), "Python")) == []


@pytest.mark.parametrize("language", ["Python", None])
@pytest.mark.parametrize(
    "before", ["words of a comment\n", "words of a docstring\nmore '''\n", 'it\'s a "docstring" """\n']
)
def test_a_snippet_cut_inside_a_comment_or_a_string_is_found(before: str, language: str | None) -> None:
    answer = match(INDEX, before + laid_out(BODY, 11) + "\n'''doc", language)
    assert ("reformatted", 120) in kinds(answer)


def test_a_snippet_cut_inside_a_block_comment_is_found_without_its_language() -> None:
    body = [one for one in BODY if "'" not in one]
    index = MemoryIndex([*OTHERS, Source("/* a\n b */ x\n" + laid_out(body), "C"), Source(laid_out(body), "SQL")])
    answer = match(index, " isn't code\n */" + laid_out(body, 13).replace("#", "//"))
    assert [one.language for one in answer.matches if one.num_tokens == len(body)] == ["C"]


def test_strings_and_comments_alone_are_found_as_lexemes() -> None:
    prose = " ".join(f"word{at}" for at in range(90))
    index = MemoryIndex(
        [*OTHERS, Source(f'x = """{prose}"""\n'), Source("# " + prose.replace(" word4 ", "\n# word4 "))]
    )
    assert sorted(kinds(match(index, prose, "Python"))) == [("exact", 86), ("exact", 90)]


def test_a_match_inside_another_of_a_stricter_kind_is_not_listed_and_a_longer_one_is() -> None:
    half = "# first\n" + laid_out(BODY[:80]) + laid_out(BODY[80:], 17)
    assert [kind for kind, _ in kinds(match(INDEX, half, "Python"))] == ["reformatted", "exact"] or [
        kind for kind, _ in kinds(match(INDEX, half, "Python"))
    ] == ["exact", "reformatted"]


def test_names_that_change_their_partner_cut_a_renamed_run() -> None:
    swapped = renamed(BODY)[:70] + ["one_more" if one == "other_0" else one for one in renamed(BODY)[70:]]
    found = match(INDEX, laid_out(swapped), "Python").matches
    assert len(found) >= 2 and all(one.kind == "renamed" and 50 <= one.num_tokens < 120 for one in found)


def test_a_content_that_holds_the_code_twice_is_listed_once_at_its_first_place() -> None:
    index = MemoryIndex([Source(laid_out(BODY) + "between\n" + laid_out(BODY))])
    (found,) = match(index, laid_out(BODY, 3), "Python").matches
    assert found.source_span[0] == 0


def test_the_order_is_by_tokens_then_content_then_offset() -> None:
    sources = [Source(f"x{at}\n" + laid_out(BODY[: 40 + 20 * (at % 3)])) for at in range(9)]
    found = match(MemoryIndex(sources), laid_out(BODY, 3), "Python").matches
    assert [(-one.num_tokens, one.content_id) for one in found] == sorted(
        (-one.num_tokens, one.content_id) for one in found
    )
    assert len(found) == 9


def test_hidden_places_are_in_no_answer_and_are_counted() -> None:
    places = (("gone/away", "a.py"), ("stays/here", "b.py"))
    sources = [*OTHERS, Source(laid_out(BODY), places=places), Source("x\n" + laid_out(BODY))]
    index = MemoryIndex(sources)
    first, second = (next(at for at, one in enumerate(index.sources) if one is source) for source in sources[-2:])
    index.hidden_places.add((first, 0))
    index.hidden.add(second)
    answer = match(index, laid_out(BODY[:60]), "Python")
    assert [place.repo_name for one in answer.matches for place in one.places] == ["stays/here"]
    assert answer.withheld == 2 and "gone" not in str(as_json(answer))


def test_a_document_that_is_hidden_while_it_is_read_is_left_out() -> None:
    class Leaving(MemoryIndex):
        def facts(self, documents):  # type: ignore[no-untyped-def]
            return [replace(one, places=(), withheld=1) for one in super().facts(documents)]

    answer = match(Leaving(INDEX.sources), laid_out(BODY), "Python")
    assert answer.matches == () and answer.withheld == 1


def hot(count: int) -> list[Source]:
    return [Source(f"name{at} = {at}\n" + laid_out(BODY[:60]) + f"\nend{at}") for at in range(count)]


def test_a_hot_span_is_capped_at_the_smallest_contents_and_says_so() -> None:
    sources = hot(250)
    answer = match(MemoryIndex(sources), laid_out(BODY[:60], 3), "Python")
    assert answer.capped
    assert [one.content_id for one in answer.matches] == sorted(one.content_id for one in sources)[: THOROUGH.contents]
    assert not match(MemoryIndex(sources[: THOROUGH.contents]), laid_out(BODY[:60], 3), "Python").capped


def test_what_is_rare_is_found_beside_what_is_hot() -> None:
    rare = Source(laid_out(BODY[70:110], 19), places=(("rare/one", "r.py"),))
    longest = Source(laid_out(BODY, 19), places=(("longest/one", "l.py"),))
    answer = match(MemoryIndex([*hot(300), rare, longest]), laid_out(BODY), "Python")
    repos = [place.repo_name for one in answer.matches for place in one.places]
    assert answer.capped and "rare/one" in repos and repos[0] == "longest/one"
    assert THOROUGH.contents <= len(answer.matches) <= THOROUGH.contents + 10
    quick = match(MemoryIndex([*hot(300), rare, longest]), laid_out(BODY), "Python", QUICK)
    assert quick.capped and QUICK.contents <= len(quick.matches) <= QUICK.contents + 10


def test_grams_that_stand_at_too_many_places_are_left_out_and_cut_no_match_short() -> None:
    rare = Source(laid_out(BODY[:45] + BODY[70:110] + BODY[:45], 19), places=(("rare/one", "r.py"),))
    index = MemoryIndex([*(Source(laid_out(BODY[:70], at)) for at in range(60)), rare])
    asked = laid_out(BODY[:45] + BODY[70:110] + BODY[:45])
    everything, quick = (match(index, asked, "Python", Limits(100, 1 << 20, candidates=most)) for most in (None, 20))
    assert quick.capped and not everything.capped
    (found,) = (one for one in quick.matches if one.places[0].repo_name == "rare/one")
    assert found in everything.matches and found.num_tokens == everything.num_tokens
    assert len(quick.matches) < len(everything.matches)


def test_texts_that_are_too_much_to_read_are_left_and_that_is_said() -> None:
    sources = [Source(f"x{at}\n" + laid_out(BODY[: 40 + at])) for at in range(40)]
    answer = match(MemoryIndex(sources), laid_out(BODY, 3), "Python", Limits(100, 1000, 0))
    assert answer.capped and 8 <= len(answer.matches) < 40
    assert max(one.num_tokens for one in answer.matches) == 79


@pytest.mark.parametrize(("module", "limit"), [(verify, "MOST_COMPARED"), (chains, "MOST_PAIRS")])
@pytest.mark.parametrize("limits", [(3, 1000), (1000, 3)])
def test_work_that_is_cut_short_is_said(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType, limit: str, limits: tuple[int, int]
) -> None:
    three = laid_out([*BODY[:40], "between", *BODY[40:80], "these", *BODY[80:]])
    assert not match(INDEX, three, "Python").capped
    monkeypatch.setattr(module, limit, limits)
    assert match(INDEX, three, "Python").capped


def test_grams_of_two_kinds_of_tokens_are_not_looked_for() -> None:
    table = "x = [" + "0, " * 5000 + "]"
    answer = match(MemoryIndex([Source(table), Source(table + "\n")]), "0, " * 300, "Python")
    assert answer.matches == ()


def test_a_table_with_a_period_of_three_ends_in_bounded_time() -> None:
    table = "x = [" + "0, 1, 2, " * 20_000 + "]"
    index = MemoryIndex([Source(table + "\n" * at) for at in range(5)])
    answer = match(index, "0, 1, 2, " * 300, "Python")
    assert len(answer.matches) == 5 or answer.capped


class Whole:
    """An index that knows no marks: whole texts are read."""

    def __init__(self, index: MemoryIndex) -> None:
        self.views, self.searched = index.views, index.searched
        self.candidates, self.texts, self.facts, self.content_ids = (
            index.candidates,
            index.texts,
            index.facts,
            index.content_ids,
        )

    def current(self) -> Whole:
        return self


def piece() -> st.SearchStrategy[tuple[int, int, int, int, bool]]:
    """A cut of one of a few made-up texts: which, from where, how many tokens, in which layout, with other names or not."""
    return st.tuples(
        st.integers(0, 2), st.integers(0, 60), st.integers(10, 110), st.sampled_from((0, 0, 3, 4)), st.booleans()
    )


def written(pieces: list[tuple[int, int, int, int, bool]]) -> str:
    parts = []
    for text, begin, size, layout, is_renamed in pieces:
        tokens = words(text, 170)[begin : begin + size]
        parts.append(laid_out(renamed(tokens) if is_renamed else tokens, layout))
    return "".join(parts)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.lists(piece(), min_size=1, max_size=3), min_size=1, max_size=4),
    st.lists(piece(), min_size=1, max_size=2), st.sampled_from(("Python", "Python", None, "C")), st.sampled_from(("", "a'''", "b\n", '"')),
    st.sampled_from((1, 30, 200, 4096, 0)),
)  # fmt: skip
def test_answers_are_those_of_the_naive_scan(texts, snippet, language, before, spacing) -> None:  # type: ignore[no-untyped-def]
    sources = [Source(written(one), "Python" if at % 2 == 0 else "Ruby") for at, one in enumerate(texts)]
    asked = before + written(snippet)
    index = MemoryIndex(sources, spacing=spacing or 1)
    answer = match(index if spacing else Whole(index), asked, language)
    found = [(one.kind, one.num_tokens, one.content_id, one.source_span, one.query_span) for one in answer.matches]
    assert found == naive.search(sources, asked, language)
    assert not answer.capped
