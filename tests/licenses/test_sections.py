"""Sections that name the files they cover speak for those only, and never reach further than they say."""

from __future__ import annotations

from stack_data.licenses.sections import paths
from stack_data.licenses.texts import find_texts
from tests.licenses.samples import ISC, MIT, spdx_text


def scoped(text: str) -> list[tuple[str | None, tuple[str, ...]]]:
    return [(found.expression, found.files) for found in find_texts(text).evidence]


def test_a_stanza_of_fields_speaks_for_its_files() -> None:
    text = f"{MIT}\n\n----\n\nName: Foo\nFiles: libs/foo*.so\nLicense: ISC\n{ISC}"
    assert scoped(text) == [("MIT", ()), ("ISC", ("libs/foo*.so",))]


def test_a_stanza_ends_at_a_ruled_line() -> None:
    text = f"Name: Foo\nFiles: libs/foo.c\nLicense: MIT\n\n{MIT}\n--------\n\nGPL-3.0\n"
    assert scoped(text)[-1] == ("GPL-3.0-only", ())


def test_a_stanza_without_paths_speaks_for_everything() -> None:
    text = f"Name: Foo\nFiles: everything except the tests\nLicense: ISC\n\n{ISC}"
    assert all(files == () for _, files in scoped(text))


def test_the_debian_format_joins_files_with_the_texts_they_name() -> None:
    text = (
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\n"
        "Files: *\nCopyright: 2020 A\nLicense: Expat\n\n"
        "Files: contrib/*\nCopyright: 2021 B\nLicense: GPL-3+\n\n"
        "License: Expat\n " + MIT.split("\n\n", 2)[2].replace("\n", "\n ")
    )
    found = scoped(text)
    assert ("MIT", ("*",)) in found
    assert ("GPL-3.0-or-later", ("contrib/*",)) in found


def test_a_sentence_reaches_the_first_text_after_it_only() -> None:
    text = f"The files src/a.c and src/b.c are under the following license:\n\n{ISC}\n\n{MIT}"
    assert scoped(text) == [("ISC", ("src/a.c", "src/b.c")), ("MIT", ())]


def test_a_sentence_with_an_exception_scopes_nothing() -> None:
    text = f"All files except src/a.c are under the following license:\n\n{MIT}"
    assert ("MIT", ()) in scoped(text)


def test_words_joined_by_a_slash_are_no_path() -> None:
    text = f"The code for use/inclusion is under the following license:\n\n{MIT}"
    assert ("MIT", ()) in scoped(text)


def test_full_texts_at_the_end_go_to_the_stanzas_that_name_them() -> None:
    text = (
        f"{MIT}\n\n----\n\nName: Foo\nFiles: libs/foo.so\nLicense: GPL-3.0-or-later\n\n----\n\n"
        f"Full text of licenses referred to above follows.\n\n{spdx_text('GPL-3.0-only')}"
    )
    assert {files for expression, files in scoped(text) if expression != "MIT"} == {("libs/foo.so",)}


def test_a_files_field_is_split_into_patterns_and_prose_is_refused() -> None:
    assert paths("a/*.c, b/c.h\n  d/*") == ("a/*.c", "b/c.h", "d/*")
    assert paths("everything else") == ()
    assert paths("*") == ("*",)


def test_a_paragraph_about_files_is_theirs_alone() -> None:
    text = f"{MIT}\n\nThe files src/a.c and src/b.h are vendored from elsewhere under the terms of the GPL-2.0-only.\n\nMore.\n"
    assert ("GPL-2.0-only", ("src/a.c", "src/b.h")) in scoped(text)
    assert ("MIT", ()) in scoped(text)


def test_a_paragraph_about_all_files_but_some_is_everybodys() -> None:
    text = f"{MIT}\n\nThe file src/a.c is licensed under the ISC license, except the tables, which are under the GPL-2.0-only.\n"
    assert ("GPL-2.0-only", ()) in scoped(text)
