"""The lexer: what is a token in each family, what is equal to what, and that nothing makes it fail."""

from __future__ import annotations

import io
import keyword
import random
import re
import sysconfig
import time
import tokenize
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stack_data.languages.tables import read_table
from stack_data.search import lexer
from stack_data.search.families import family_names, family_of, family_tables, token_hash
from stack_data.search.kgrams import kgrams
from stack_data.search.lexer import CODE, KEYWORD, NAME, NUMBER, OPERATOR, STRING, Tokens, lex, lexemes, start_states
from stack_data.tables import load_table

STDLIB = Path(sysconfig.get_paths()["stdlib"])
PYTHON, ALL = family_of("Python"), range(len(family_names()))


def slices(text: str | bytes, tokens: Tokens) -> list[str]:
    raw = text.encode() if isinstance(text, str) else text
    return [
        raw[start:end].decode("utf-8", "backslashreplace")
        for start, end in zip(tokens.starts, tokens.ends, strict=True)
    ]


def words(text: str, language: str, state: int = CODE) -> list[str]:
    return slices(text, lex(pa.array([text]), family_of(language), state))


def code(text: str, language: str = "Python") -> list[int]:
    found: list[int] = lex(pa.array([text]), family_of(language)).code.tolist()
    return found


def kinds(text: str, language: str) -> list[int]:
    found: list[int] = lex(pa.array([text]), family_of(language)).kinds.tolist()
    return found


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("C", "int a; // x\n/* y\n'*/ b <<= 'c', '\\'' ;", ["int", "a", "b", "<<=", "'c'", "'\\''"]),
        ("C", 'R"x(a)" b)x" + u8"q"', ['R"x(a)" b)x"', "+", "u8", '"q"']),
        ("C++", "1'000'000 0x1p-3 1.5f a->b::c", ["1'000'000", "0x1p-3", "1.5f", "a", "->", "b", "::", "c"]),
        ("C++", "vector<vector<int>> x", ["vector", "<", "vector", "<", "int", ">", ">", "x"]),
        ("Rust", "fn f<'a>(x: &'a str, y: 'b') r#\"z\"#", ["fn", "f", "<", "'", "a", ">", "(", "x", ":", "&", "'", "a", "str", "y", ":", "'b'", ")", 'r#"z"#']),
        ("Go", "x := `a\n\"b` // c", ["x", ":=", '`a\n"b`']),
        ("Rust", "for i in 1..2 { a.0 }", ["for", "i", "in", "1", ".", ".", "2", "{", "a", ".", "0", "}"]),
        ("JavaScript", "a = /[/'\"]\\//g; b = c / d / e; `x ${y}`", ["a", "=", "/[/'\"]\\//g", "b", "=", "c", "/", "d", "/", "e", "`x ${y}`"]),
        ("JavaScript", "a === 'b\\'c' // d", ["a", "===", "'b\\'c'"]),
        ("Java", 'String s = """a\n"b" """; char c = \'"\';', ["String", "s", "=", '"""a\n"b" """', "char", "c", "=", "'\"'"]),
        ("Python", "x = rb'a' \\\n + f\"b\" # c\n'''d\n'''", ["x", "=", "rb'a'", "+", 'f"b"', "'''d\n'''"]),
        ("Python", "a.b(1.e5, .5, 1_0j) if x else -> ...", ["a", ".", "b", "(", "1.e5", ".5", "1_0j", ")", "if", "x", "else", "->", "..."]),
        ("Shell", "a=${#b} $# # c\necho \"d\" 'e'", ["a", "=", "$", "{", "#", "b", "}", "$", "#", "echo", '"d"', "'e'"]),
        ("YAML", "a: don't # b", ["a", ":", "don", "'", "t"]),
        ("Ruby", "x =~ 'a' # b", ["x", "=~", "'a'"]),
        ("SQL", "SELECT 'a' -- b\n/* c */ FROM t", ["SELECT", "'a'", "FROM", "t"]),
        ("Lua", "a --[[ b\n ]] c -- d", ["a", "c"]),
        ("Haskell", "f x' = x' {- a -} -- b", ["f", "x", "'", "=", "x", "'"]),
        ("Common Lisp", "(a 'b \"c\n\\\"d\") ; e\n#| f |# #\\;", ["(", "a", "'", "b", '"c\n\\"d"', ")", "#", "\\;"]),
        ("TeX", "50\\% a % b\n\\alpha", ["50", "\\%", "a", "\\", "alpha"]),
        ("MATLAB", "a = b' + 'c'; % d", ["a", "=", "b", "'", "+", "'c'"]),
        ("OCaml", "let a = 'b' (* c *) in d", ["let", "a", "=", "'b'", "in", "d"]),
        ("Fortran", "x = 'a' ! b", ["x", "=", "'a'"]),
        ("VBA", "x = \"a\" ' b", ["x", "=", '"a"']),
        ("Verilog", "4'b0 `define X // y", ["4", "'", "b0", "`", "define", "X"]),
        ("HTML", "<a href='x'>don't \"say\"<!-- y --></a>", ["<", "a", "href", "=", "'x'", ">", "don", "'", "t", '"', "say", '"', "</", "a", ">"]),
        ("Text", "a # b // 'c'", ["a", "#", "b", "/", "/", "'", "c", "'"]),
    ],
)  # fmt: skip
def test_each_family_has_its_tokens(language: str, text: str, expected: list[str]) -> None:
    assert words(text, language) == expected


def test_kinds_are_told_apart() -> None:
    assert kinds("def f: 1 'a'", "Python") == [KEYWORD, NAME, OPERATOR, NUMBER, STRING]
    assert kinds("Select x", "SQL") == [KEYWORD, NAME]
    assert code("SELECT", "SQL") == code("select", "SQL")
    assert code("X", "SQL") != code("x", "SQL")
    assert all(kinds(word, "Python") == [KEYWORD] for word in keyword.kwlist)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("f('a\"b')", 'f("a\\"b")'), ('"""a"""', "'a'"), ("u'a'", "'a'"), ("r'a'", "'a'"), ("F'a'", "f'a'"), ("'a\r\nb'", "'a\nb'"),
        ("x=[a, b, ]", "x = [a b]"), ("0XFF 1_000 1. .5", "0xff 1000 1.0 0.5"), ("a; b", "a\nb"), ("a \\\n b", "a b"), ("a#b\r\nc", "a\rc"),
        ("a\u00a0b", "a b"), ("\ufeffa", "a"),
    ],
)  # fmt: skip
def test_style_alone_changes_no_token(one: str, other: str) -> None:
    assert code(one) == code(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("'a'", "a"), ("b'a'", "'a'"), ("f'a'", "'a'"), ("r'\\n'", "'\\n'"), ("1", "'1'"), ("1.0", "1"), ("a b", "ab"), ("a == b", "a = = b"),
        ("x", "X"), ("é", "e"), ("'a'", "'A'"),
    ],
)  # fmt: skip
def test_what_means_something_else_is_another_token(one: str, other: str) -> None:
    assert code(one) != code(other)


def test_the_blinded_view_keeps_keywords_and_operators() -> None:
    one, other = (lex(pa.array([text]), PYTHON) for text in ("for x in f(1, 'a'): y", "for aa in b(22, 'c'): d"))
    assert one.blinded().tolist() == other.blinded().tolist()
    assert one.code.tolist() != other.code.tolist()
    assert len({*one.blinded().tolist()}) == 8  # for, name, in, (, number, string, ), :
    assert np.count_nonzero(one.names()) == 3
    assert lex(pa.array(["while x in f(1, 'a'): y"]), PYTHON).blinded().tolist() != one.blinded().tolist()


def test_hashes_are_fixed() -> None:
    """They are stored: another hash would silently compare unequal things."""
    assert code("abc") == [token_hash(b"abc")] == [17930426448570288372]
    assert lexer.LEXER_VERSION == 2


def python_files() -> list[str]:
    files = sorted(path for path in STDLIB.rglob("*.py") if "site-packages" not in path.parts)
    read = [path.read_bytes() for path in random.Random(1).sample(files, 250)]
    return [text.decode() for text in read if b"\r" not in text and _is_utf8(text)]


def _is_utf8(text: bytes) -> bool:
    try:
        return bool(text.decode())
    except UnicodeDecodeError:
        return False


def test_python_is_read_as_its_own_tokenizer_reads_it() -> None:
    compared, kept = 0, (tokenize.NAME, tokenize.NUMBER, tokenize.STRING, tokenize.OP)
    for text in python_files():
        try:
            found = [one.string for one in tokenize.generate_tokens(io.StringIO(text).readline) if one.type in kept]
        except (tokenize.TokenError, SyntaxError):
            continue
        # Three files of Python's own tests hold what is no Python 3, or names that only NFKC makes names.
        if any(name in text for name in ("py2_test_grammar", "0377", "蟒")):
            continue
        assert words(text, "Python") == [one for one in found if one not in (",", ";")]
        compared += 1
    assert compared > 200


def test_layout_comments_and_quotes_of_real_files_change_nothing() -> None:
    for text in python_files()[:60]:
        spaced = re.sub(r"(?<!\\)\n", "  # note, 'quoted'\r\n", re.sub(r"^( +)", r"\1\1", text, flags=re.M))
        assert_equal_outside_strings(text, spaced)


def assert_equal_outside_strings(text: str, other: str) -> None:
    one, two = (lex(pa.array([each]), PYTHON) for each in (text, other))
    kept = one.kinds != STRING  # what stands in strings over lines was changed too
    assert one.kinds.tolist() == two.kinds.tolist()
    assert one.code[kept].tolist() == two.code[kept].tolist()


def test_renaming_a_real_file_changes_names_one_to_one_and_nothing_of_the_blinded_view() -> None:
    for text in python_files()[:40]:
        tokens = lex(pa.array([text]), PYTHON)
        raw, pieces, last = text.encode(), [], 0
        for start, end, kind in zip(tokens.starts, tokens.ends, tokens.kinds, strict=True):
            renamed = b"x_" + raw[start:end] if kind == NAME else raw[start:end]
            pieces += [raw[last:start], renamed]
            last = end
        again = lex(pa.array([b"".join([*pieces, raw[last:]])], pa.large_binary()), PYTHON)
        assert again.blinded().tolist() == tokens.blinded().tolist()
        pairs = set(zip(tokens.names().tolist(), again.names().tolist(), strict=True))
        assert len(pairs) == len({one for one, _ in pairs}) == len({other for _, other in pairs})


SIGNS = (
    "'", '"', "`", '"""', "'''", "\\", "\n", "\r", "//", "/*", "*/", "#", "--", "-", "<!--", "(*", "*)", 'R"(', 'r#"', "a", "é", "0x1e+1", ".",
    "\u2003", "\ud800",
)  # fmt: skip
MADE_OF_SIGNS = st.lists(st.sampled_from(SIGNS), max_size=40).map(
    lambda signs: "".join(signs).encode("utf-8", "surrogatepass")
)
TEXTS = st.one_of(st.binary(max_size=60), MADE_OF_SIGNS)


@settings(max_examples=300, deadline=None)
@given(texts=st.lists(TEXTS, max_size=4), seed=st.integers(0, 99))
def test_no_bytes_make_it_fail_and_tokens_are_slices_in_order(texts: list[bytes], seed: int) -> None:
    chosen = random.Random(seed)
    family = np.array([chosen.choice(ALL) for _ in texts], np.uint8)
    states = np.array([chosen.choice(start_states(int(one))) for one in family], np.uint8)
    tokens = lex(pa.array(texts, pa.large_binary()), family, states)
    for found in (tokens, lexemes(pa.array(texts, pa.binary()))):
        assert len(found.bounds) == len(texts) + 1
        for number, text in enumerate(texts):
            rows = slice(found.bounds[number], found.bounds[number + 1])
            starts, ends = found.starts[rows], found.ends[rows]
            assert (starts < ends).all()
            assert (ends[:-1] <= starts[1:]).all()
            assert not len(ends) or ends[-1] <= len(text)
    for number in range(len(texts)):  # no text costs another its tokens
        alone = lex(pa.array(texts[number : number + 1], pa.large_binary()), int(family[number]), int(states[number]))
        assert alone.code.tolist() == tokens.code[tokens.bounds[number] : tokens.bounds[number + 1]].tolist()


@pytest.mark.parametrize(
    "language", ["C", "JavaScript", "Python", "Ruby", "SQL", "Common Lisp", "MATLAB", "OCaml", "HTML"]
)
@pytest.mark.parametrize(
    "piece", ["'", '"', "`", "'\\'", '"""\\', "/*", 'R"(', 'r#"', "/[", "(*", "<!--", '="', "--[[", "1.", "\xff"]
)
def test_time_is_linear_whatever_is_repeated(language: str, piece: str) -> None:
    text = pa.array([piece * (400_000 // len(piece))])
    lex(pa.array([piece]), family_of(language))
    begin = time.process_time()
    lex(text, family_of(language))
    assert time.process_time() - begin < 1.0


def test_nulls_and_slices_of_arrays_are_read_right() -> None:
    array = pa.array(["no", "a b", None, "c"], pa.string()).slice(1)
    tokens = lex(array, PYTHON)
    assert tokens.bounds.tolist() == [0, 2, 2, 3]
    assert tokens.starts.tolist() == [0, 2, 0]
    assert lex(pa.array([], pa.string()), PYTHON).bounds.tolist() == [0]
    assert len(lexemes(pa.array([None], pa.string()))) == 0


def test_a_piece_cut_out_is_read_from_where_it_begins() -> None:
    assert words("b */ c 'd", "C", lexer.start_states(family_of("C"))[2]) == ["c", "'", "d"]
    # in code, in a comment, in a string of three ", in a string of three '
    found = [words('it\'s """ \ny', "Python", state) for state in start_states(PYTHON)]
    assert found == [["it", "'", "s", '""', '"', "y"], ["y"], ["y"], []]
    assert len(start_states(family_of("JavaScript"))) == 6
    assert start_states(family_of("Text")) == (CODE,)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_some_start_state_reads_a_cut_file_as_the_whole_one(seed: int) -> None:
    """From the line after the cut on; a string that ends on its line can spoil no more than that line."""
    text = (STDLIB / "textwrap.py").read_bytes()
    cut = random.Random(seed).randrange(len(text))
    whole = lex(pa.array([text], pa.large_binary()), PYTHON)
    rest = whole.code[whole.starts >= text.find(b"\n", cut) % len(text)].tolist()
    found = [
        lex(pa.array([text[cut:]], pa.large_binary()), PYTHON, state).code.tolist() for state in start_states(PYTHON)
    ]
    assert any(rest == one[len(one) - len(rest) :] for one in found)


def test_lexemes_keep_comments_and_are_single_signs() -> None:
    text = "a_1 += é² # 'ü' →\t日本\u0301x"
    assert slices(text, lexemes(pa.array([text]))) == ["a_1", "+", "=", "é", "#", "'", "ü", "'", "→", "日本", "x"]
    assert lexemes(pa.array(["ab"])).kinds.tolist() == [NAME]


@pytest.mark.parametrize(
    ("language", "names"),
    [
        ("C", "val self out params in type object string module this new class private template fn func map int size_t bool"),
        ("Go", "this new in out val class match base lock throw int byte error"),
        ("Java", "internal type out val map module in is string object"),
        ("JavaScript", "echo val self out params type object string module from get set of number any async constructor require fn"),
        ("PHP", "self string type module number object from get set"), ("Shell", "sub next package print local shift library"),
        ("Ruby", "require raise private sub print library using"), ("Perl", "self class module library default when with"),
        ("Lua", "type table data index key to set left right class"), ("Haskell", "from to key set index table range value"),
        ("SQL", "type index key data record name value class"), ("OCaml", "abstract case class constructor not record var unit"),
        ("Erlang", "module function is of and not properties"), ("MATLAB", "of is and or not when after module"),
        ("Fortran", "data in out len kind result only value"), ("Verilog", "this class string new package byte"),
    ],
)  # fmt: skip
def test_words_that_only_other_languages_of_the_family_reserve_are_names(language: str, names: str) -> None:
    assert {word: kind for word in names.split() for kind in kinds(word, language) if kind != NAME} == {}


def test_sql_and_pascal_have_their_own_rules() -> None:
    assert code("SELECT a FROM b WHERE c IS NULL", "SQL") == code("select a from b where c is null", "PLpgSQL")
    assert words("N'a' + E'b' --[[ c\n+ d", "SQL") == ["N", "'a'", "+", "E", "'b'", "+", "d"]
    assert words("{ it's } BEGIN x := 'a'; (* b *) END. // c", "Pascal") == ["BEGIN", "x", ":=", "'a'", "END", "."]
    assert code("BEGIN", "Pascal") == code("begin", "Pascal")


def test_every_language_named_in_the_table_is_one_of_linguists_and_in_one_family() -> None:
    known = {language["name"] for language in read_table("linguist_languages")["languages"]}
    families = load_table("lexer_families")["families"]
    named = [language for family in families.values() for language in family["languages"]]
    assert set(named) <= known
    assert len(named) == len(set(named))
    assert family_names()[0] == "plain"
    assert family_of("Befunge") == family_of(None) == 0
    assert all(family_tables().thirds.sum(axis=1) < 128)


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 30), max_size=5),
    k=st.integers(1, 12),
    stride=st.integers(1, 25),
    seed=st.integers(0, 9),
)
def test_kgrams_are_equal_where_tokens_are(sizes: list[int], k: int, stride: int, seed: int) -> None:
    chosen = np.random.default_rng(seed)
    view = chosen.integers(0, 3, sum(sizes)).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    bounds = np.cumsum([0, *sizes]).astype(np.int64)
    hashes, places = kgrams(view, bounds, k, stride)
    expected = [
        tuple(view[first : first + k].tolist())
        for start, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)
        for first in range(start, end - k + 1, stride)
    ]
    assert len(hashes) == len(expected) == places[-1]
    for one, other in zip(hashes.tolist(), expected, strict=True):
        assert (one == hashes[0]) == (other == expected[0])
    with pytest.raises(ValueError, match="at least 1"):
        kgrams(view, bounds, 0)
