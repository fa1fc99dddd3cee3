"""Tests of stack_data/languages/detection.py, with every language and every rule of the tables."""

from __future__ import annotations

import subprocess
import sys

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stack_data.languages import LANGUAGES, detect_language, detect_languages, languages, rule_version
from stack_data.languages.names import by_extension
from tests.languages.examples import RULED, SIBLINGS


def _reached_by_name() -> set[str]:
    files = [f"x{extension}" for language in languages().values() for extension in language.extensions]
    files += [name for language in languages().values() for name in language.filenames]
    programs = [program for language in languages().values() for program in language.interpreters]
    paths = pa.array(files + ["script"] * len(programs))
    texts = pa.array([""] * len(files) + [f"#!/usr/bin/env {program}\n" for program in programs])
    return set(detect_languages(paths, texts).to_pylist())


@pytest.mark.parametrize(("language", "path", "text"), RULED, ids=[f"{a} {b}" for a, b, _ in RULED])
def test_a_text_decides_between_languages_of_one_extension(language: str, path: str, text: str) -> None:
    assert detect_language(path, text) == language


def test_every_language_is_reached_by_name_by_text_or_has_a_documented_sibling() -> None:
    reached = _reached_by_name() | {language for language, _, _ in RULED}
    assert set(languages()) - reached <= set(SIBLINGS)
    assert not set(SIBLINGS) - set(languages())


def test_every_language_can_be_named_by_a_modeline() -> None:
    names = list(languages())
    texts = [f"-*- mode: {name.replace(' ', '-')} -*-\n" for name in names]
    assert detect_languages(pa.array(["file"] * len(names)), pa.array(texts)).to_pylist() == names


def test_siblings_get_the_default_of_their_extension() -> None:
    for name, sibling in SIBLINGS.items():
        for extension in languages()[name].extensions:
            if extension in by_extension() and sibling:
                assert detect_language(f"x{extension}", "") == sibling, (name, extension)


@pytest.mark.parametrize(
    ("path", "text", "language"),
    [
        ("src/a.py", "", "Python"),
        ("src/a.PY", "", "Python"),
        ("Makefile", "", "Makefile"),
        ("a/makefile.PL", "", "Perl"),
        ("LICENSE", "", "Text"),
        ("a/.bashrc", "", "Shell"),
        ("view.blade.php", "<?php", "Blade"),
        ("script", "#!/usr/bin/env -S python3.12 -u\n", "Python"),
        ("script", '#!/bin/sh\nexec tclsh "$0" "$@"\n', "Tcl"),
        ("script", "#!/bin/sh\necho\n", "Shell"),
        ("a.py", "#!/usr/bin/perl\n", "Perl"),
        ("a.pl", "#!/usr/bin/perl\n", "Perl"),
        ("a.h", "// -*- C++ -*-\n", "C++"),
        ("data", "<?xml version='1.0'?>\n<a/>", "XML"),
        ("NEWS.2", "Nothing new.\n", "Text"),
        ("a.3.in", ".TH A 3\n.SH NAME\n", "Roff Manpage"),
        ("a.sol", "just words\n", None),
        ("COPYING", "", "Text"),
        ("nothing-known", "words", None),
        ("a.unheard", "words", None),
        ("", "", None),
        ("folder/", "", None),
        ("a.", "", None),
        ("a\nb.py", "", "Python"),
        ("Σ/ä.rs", "", "Rust"),
    ],
)
def test_names_and_first_lines_decide(path: str, text: str, language: str | None) -> None:
    assert detect_language(path, text) == language


def test_the_table_is_a_constant_of_the_package() -> None:
    assert LANGUAGES["C#"].slug == "c-sharp"
    assert rule_version >= 1


def test_columns_of_any_kind_are_taken() -> None:
    chunked = pa.chunked_array([["a.py", "b.rs"], ["c.go", None]])
    texts = pa.array(["", None, "", ""], pa.large_string())
    expected = ["Python", "Rust", "Go", None]
    assert detect_languages(chunked, texts).to_pylist() == expected
    assert (
        detect_languages(chunked.combine_chunks().dictionary_encode(), texts.cast(pa.binary())).to_pylist() == expected
    )
    assert detect_languages(pa.array([], pa.string()), pa.array([], pa.string())).to_pylist() == []
    sliced = pa.array(["x", "a.py", "y"]).slice(1, 1)
    assert detect_languages(sliced, pa.array(["", "#!/bin/sh\n"]).slice(0, 1)).to_pylist() == ["Python"]


def test_a_column_shares_one_dictionary_whatever_it_holds() -> None:
    one = detect_languages(pa.array(["a.py"]), pa.array([""]))
    two = detect_languages(pa.array(["a.rs", "?"]), pa.array(["", ""]))
    assert one.dictionary.equals(two.dictionary)
    assert one.type == pa.dictionary(pa.int32(), pa.string())


_EXTENSIONS = sorted(by_extension())
_PATHS = st.one_of(
    st.text(max_size=20),
    st.builds(lambda stem, extension: stem + extension, st.text(max_size=5), st.sampled_from(_EXTENSIONS)),
    st.sampled_from([path for _, path, _ in RULED]),
)
_LINES = st.sampled_from(
    ["#!/bin/sh", "#!", "#! env", "-*-", "-*- mode: -*-", "-*-  -*-", "vim:", "vim: set ft=:", "# vim: ft=perl", "\0"]
)
_TEXTS = st.one_of(
    st.text(max_size=200),
    st.lists(_LINES | st.text(max_size=30), max_size=12).map("\n".join),
    st.sampled_from([text for _, _, text in RULED]),
)
_FILES = st.lists(st.tuples(_PATHS, _TEXTS), max_size=12)


@settings(max_examples=60, deadline=None)
@given(_FILES)
def test_a_column_and_its_single_files_agree(files: list[tuple[str, str]]) -> None:
    paths = pa.array([path.encode("utf-8", "replace").decode() for path, _ in files], pa.string())
    texts = pa.array([text.encode("utf-8", "replace") for _, text in files], pa.large_binary())
    together = detect_languages(paths, texts).to_pylist()
    assert together == [detect_language(path, text) for path, text in files]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(_PATHS, st.binary(max_size=300)), max_size=8))
def test_no_bytes_and_no_path_raise(files: list[tuple[str, bytes]]) -> None:
    paths = pa.array([path.encode("utf-8", "replace").decode() for path, _ in files], pa.string())
    found = detect_languages(paths, pa.array([content for _, content in files], pa.binary()))
    assert len(found) == len(files)


def test_lone_surrogates_do_not_raise() -> None:
    assert detect_language("\udcff.py", "\ud800") == "Python"


def test_huge_lines_are_read_only_in_part() -> None:
    assert detect_language("a.h", "x" * 5_000_000) == "C"
    assert detect_language("a.m", "(" * 2_000_000) == "MATLAB"


def test_answers_are_the_same_in_another_process() -> None:
    paths = [path for _, path, _ in RULED]
    texts = [text for _, _, text in RULED]
    code = (
        "import sys, json, pyarrow as pa\nfrom stack_data.languages import detect_languages\n"
        "paths, texts = json.load(sys.stdin)\n"
        "print(json.dumps(detect_languages(pa.array(paths), pa.array(texts)).to_pylist()))"
    )
    import json

    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        input=json.dumps([paths, texts]),
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": "7"},
    )
    assert json.loads(run.stdout) == detect_languages(pa.array(paths), pa.array(texts)).to_pylist()
