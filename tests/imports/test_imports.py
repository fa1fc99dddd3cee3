"""Import statements and the files they mean, language by language."""

from __future__ import annotations

import pyarrow as pa
import pytest

from stack_data.imports.statements import FAMILIES, statements
from stack_data.imports.targets import imports
from stack_data.languages import language_info


def targets(
    files: dict[str, tuple[str, str]], host: str = "github.com", name: str = "jane/tool"
) -> dict[str, set[str]]:
    """Return what each file imports. files: path -> (language, text)."""
    paths = list(files)
    languages = [language for language, _ in files.values()]
    found = statements(pa.array(languages), pa.array([text for _, text in files.values()], pa.large_string()))
    graph = imports(host, name, paths, languages, found)
    return {path: {paths[one] for one in graph[row]} for row, path in enumerate(paths) if graph[row]}


def of(language: str, **texts: str) -> dict[str, tuple[str, str]]:
    return {path: (language, text) for path, text in texts.items()}


CASES = {
    "python absolute": (
        {"pkg/__init__.py": ("Python", ""), "pkg/a.py": ("Python", "import pkg.b.c as d, os\n"), "pkg/b/c.py": ("Python", "")},
        {"pkg/a.py": {"pkg/b/c.py"}},
    ),
    "python relative, in brackets": (
        {
            "pkg/__init__.py": ("Python", "from . import (\n    a,  # first\n    b,\n)\n"), "pkg/a.py": ("Python", "from .b import thing\n"),
            "pkg/b.py": ("Python", ""), "pkg/sub/d.py": ("Python", "from ..a import x\nfrom .. import name\n"),
        },
        {"pkg/__init__.py": {"pkg/a.py", "pkg/b.py"}, "pkg/a.py": {"pkg/b.py"}, "pkg/sub/d.py": {"pkg/a.py", "pkg/__init__.py"}},
    ),
    "python from src, by tests": (
        {"src/tool/__init__.py": ("Python", ""), "src/tool/x.py": ("Python", ""), "tests/test_x.py": ("Python", "from tool.x import y\n")},
        {"tests/test_x.py": {"src/tool/x.py"}},
    ),
    "python never means a sibling inside a package": (
        {"pkg/__init__.py": ("Python", ""), "pkg/types.py": ("Python", ""), "pkg/a.py": ("Python", "import types\n")},
        {},
    ),
    "cython": (
        {"a.pyx": ("Cython", "from b cimport thing\n"), "b.pxd": ("Cython", "")},
        {"a.pyx": {"b.pxd"}},
    ),
    "javascript": (
        {
            "src/a.js": ("JavaScript", "import { b } from './b'\nconst c = require('../c.js')\nexport * from \"./d\"\nimport('react')\n"),
            "src/b.ts": ("TypeScript", "import {\n  x,\n} from './d'\n"), "c.js": ("JavaScript", ""), "src/d/index.tsx": ("TSX", ""),
        },
        {"src/a.js": {"src/b.ts", "c.js", "src/d/index.tsx"}, "src/b.ts": {"src/d/index.tsx"}},
    ),
    "typescript writes what it will be": (
        {"a.ts": ("TypeScript", "import x from './b.js'\n"), "b.ts": ("TypeScript", "")},
        {"a.ts": {"b.ts"}},
    ),
    "java and kotlin": (
        {
            "src/main/java/org/x/A.java": ("Java", "package org.x;\nimport org.x.y.B;\nimport static org.x.y.B.Inner.f;\nimport java.util.*;\n"),
            "src/main/java/org/x/y/B.java": ("Java", "package org.x.y;\n"),
            "src/main/kotlin/C.kt": ("Kotlin", "package org.x\nimport org.x.y.B\n"),
        },
        {"src/main/java/org/x/A.java": {"src/main/java/org/x/y/B.java"}, "src/main/kotlin/C.kt": {"src/main/java/org/x/y/B.java"}},
    ),
    "go": (
        {
            "go.mod": ("Go Module", "module example.org/tool/v2\n\ngo 1.22\n"),
            "main.go": ("Go", 'package main\n\nimport (\n\t"fmt"\n\tu "example.org/tool/v2/pkg/util"\n\t"github.com/pkg/errors"\n)\n'),
            "pkg/util/a.go": ("Go", ""), "pkg/util/b.go": ("Go", 'package util\nimport "github.com/jane/tool/pkg/other"\n'),
            "pkg/util/a_test.go": ("Go", ""), "pkg/other/o.go": ("Go", ""), "vendor/github.com/pkg/errors/e.go": ("Go", ""),
        },
        {
            "main.go": {"pkg/util/a.go", "pkg/util/b.go", "vendor/github.com/pkg/errors/e.go"}, "pkg/util/b.go": {"pkg/other/o.go"},
        },
    ),
    "rust": (
        {
            "src/lib.rs": ("Rust", "mod a;\npub mod b;\n"), "src/a.rs": ("Rust", "use crate::b::c::Thing;\nmod deep;\n"),
            "src/b/mod.rs": ("Rust", "pub(crate) mod c;\n"), "src/b/c.rs": ("Rust", "use super::super::a;\n"), "src/a/deep.rs": ("Rust", ""),
        },
        {
            "src/lib.rs": {"src/a.rs", "src/b/mod.rs"}, "src/a.rs": {"src/b/c.rs", "src/a/deep.rs"}, "src/b/mod.rs": {"src/b/c.rs"},
            "src/b/c.rs": {"src/a.rs"},
        },
    ),
    "c": (
        {
            "src/a.c": ("C", '#include "a.h"\n#include <tool/b.h>\n#  include <string.h>\n#include "deep/c.h"\n'), "src/a.h": ("C", ""),
            "include/tool/b.h": ("C++", ""), "compat/string.h": ("C", ""), "lib/deep/c.h": ("C", ""), "lib/a.h": ("C", ""),
        },
        {"src/a.c": {"src/a.h", "include/tool/b.h", "lib/deep/c.h"}},
    ),
    "a header that could be two means none": (
        {"a.c": ("C", '#include "x.h"\n'), "one/x.h": ("C", ""), "two/x.h": ("C", "")},
        {},
    ),
    "ruby": (
        {
            "lib/tool.rb": ("Ruby", "require 'tool/version'\nrequire_relative \"tool/cli\"\nrequire 'json'\n"),
            "lib/tool/version.rb": ("Ruby", ""), "lib/tool/cli.rb": ("Ruby", ""),
        },
        {"lib/tool.rb": {"lib/tool/version.rb", "lib/tool/cli.rb"}},
    ),
    "php": (
        {
            "src/A.php": ("PHP", "<?php\nnamespace App;\nuse App\\Models\\User;\nrequire __DIR__ . '/b.php';\n"),
            "src/Models/User.php": ("PHP", "<?php\nnamespace App\\Models;\n"), "src/b.php": ("PHP", "<?php\n"),
        },
        {"src/A.php": {"src/Models/User.php", "src/b.php"}},
    ),
    "c# where one file is the whole namespace": (
        {
            "A.cs": ("C#", "using System;\nusing X.One;\nusing X.Many;\n"), "One.cs": ("C#", "namespace X.One;\n"),
            "M1.cs": ("C#", "namespace X.Many {\n"), "M2.cs": ("C#", "namespace X.Many {\n"),
        },
        {"A.cs": {"One.cs"}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_an_import_means_a_file_of_the_repository(case: str) -> None:
    files, wanted = CASES[case]
    assert targets(files) == wanted


def test_a_module_named_by_its_host_is_the_repository_itself() -> None:
    files = of("Go", **{"a/a.go": 'import "github.com/jane/tool/b"\n', "b/b.go": ""})
    assert targets(files) == {"a/a.go": {"b/b.go"}}
    assert targets(files, host="gitlab.com") == {}


@pytest.mark.parametrize(
    "line",
    [
        "from .... import x",
        "import ",
        "from . import",
        "use super::super::super::super::a;",
        '#include "../../../../x.h"',
    ],
)
def test_statements_that_leave_the_repository_mean_nothing(line: str) -> None:
    languages = ("Python", "Rust", "C")
    files = {f"{number}.x": (language, line + "\n") for number, language in enumerate(languages)}
    assert targets(files) == {}


def test_lines_of_windows_are_read_like_others() -> None:
    assert targets(of("Python", **{"a.py": "import b\r\nfrom c import (\r\n  d)\r\n", "b.py": "", "c.py": ""})) == {
        "a.py": {"b.py", "c.py"}
    }


def test_every_language_named_is_one_of_linguist() -> None:
    for family in FAMILIES:
        for language in family.languages:
            assert language_info(language)
