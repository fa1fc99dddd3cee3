"""Tests of stack_data/languages/modelines.py."""

from __future__ import annotations

import pyarrow as pa
import pytest

from stack_data.languages.modelines import emacs_mode, interpreter, interpreters, modeline_language, vim_type


@pytest.mark.parametrize(
    ("line", "mode"),
    [
        (b"// -*- C++ -*-", b"C++"),
        (b"# -*- mode: ruby; coding: utf-8 -*-", b"ruby"),
        (b"# -*- coding: utf-8; Mode: perl -*-", b"perl"),
        (b"# -*- coding: utf-8 -*-", None),
        (b"# -*- ruby; -*-", b"ruby"),
        (b"-*- -*-", None),
        (b"-*-", None),
        (b"a line", None),
    ],
)
def test_emacs_modelines_name_a_mode(line: bytes, mode: bytes | None) -> None:
    assert emacs_mode(line) == mode


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b"# vim: ft=ruby", b"ruby"),
        (b"/* vim: set filetype=cpp ts=8: */", b"cpp"),
        (b"/* vim: set ts=8 syntax=perl : */", b"perl"),
        (b"# vim: set ft=ruby", None),
        (b"# vi: se ft=sh:", b"sh"),
        (b"# ex: noai:ft=sh", b"sh"),
        (b"# Vim700: ft=sh", b"sh"),
        (b"# vim: ts=4", None),
        (b"# gvim: ft=sh", None),
    ],
)
def test_vim_modelines_set_a_file_type(line: bytes, kind: bytes | None) -> None:
    assert vim_type(line) == kind


def test_modelines_count_only_in_the_first_and_last_five_lines() -> None:
    def found(text: bytes) -> str | None:
        return modeline_language(text, text, len(text))

    mode = b"# vim: ft=ruby\n"
    assert found(b"\n" * 4 + mode + b"x\n" * 20) == "Ruby"
    assert found(b"x\n" * 20 + mode + b"x\n" * 4) == "Ruby"
    assert found(b"x\n" * 20 + mode + b"x\n" * 20) is None
    assert found(b"-*- mode: nothing-known -*-\n" + mode) == "Ruby"


@pytest.mark.parametrize(
    ("line", "program"),
    [
        (b"/bin/sh", "sh"),
        (b"/usr/bin/env python3", "python3"),
        (b"/usr/bin/env -S A=b python2.7 -u", "python2"),
        (b"/usr/bin/env", None),
        (b"", None),
        (b"perl -w", "perl"),
        (b"/usr/bin/osascript -l JavaScript", None),
        (b"/usr/bin/osascript", "osascript"),
    ],
)
def test_the_interpreter_is_found_behind_paths_and_env(line: bytes, program: str | None) -> None:
    assert interpreter(line) == program


def test_interpreters_of_a_column_are_numbered() -> None:
    texts = [b"#!/bin/sh\n", b"no", b"#! /usr/bin/env ruby\nx", b"#!", b'#!/bin/sh\nexec wish "$0" "$@"']
    codes, names = interpreters(pa.array(texts, pa.large_binary()))
    assert [names[code] if code >= 0 else None for code in codes.tolist()] == ["sh", None, "ruby", None, "wish"]
