"""Tests of stack_data/languages/paths.py."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack_data.languages import is_documentation, is_vendored
from stack_data.languages.paths import is_generated_name


def one(answer: pa.BooleanArray) -> bool:
    return bool(answer[0].as_py())


@pytest.mark.parametrize(
    ("path", "vendored"),
    [
        ("vendor/a.c", True),
        ("a/node_modules/b.js", True),
        ("jquery-3.1.min.js", True),
        ("src/types.d.ts", True),
        ("third_party/a.py", True),
        (".github/workflows/a.yml", True),
        ("src/vendored.c", False),
        ("src/a.py", False),
        ("adist/a.js", False),
    ],
)
def test_vendored_paths_are_known(path: str, vendored: bool) -> None:
    assert one(is_vendored(pa.array([path]))) == vendored


@pytest.mark.parametrize(
    ("path", "documentation"),
    [
        ("docs/a.py", True),
        ("README.md", True),
        ("a/LICENSE", True),
        ("examples/a.py", True),
        ("src/docs/a.py", False),
        ("src/a.py", False),
    ],
)
def test_documentation_paths_are_known(path: str, documentation: bool) -> None:
    assert one(is_documentation(pa.array([path]))) == documentation


@pytest.mark.parametrize(
    ("path", "generated"),
    [
        ("package-lock.json", True),
        ("a/yarn.lock", True),
        ("go.sum", True),
        ("Cargo.lock", True),
        ("Gemfile.lock", True),
        ("A.Designer.CS", True),
        ("x_pb2.py", True),
        ("x_pb2_grpc.pyi", True),
        ("x.pb.go", True),
        ("lib/a.g.dart", True),
        ("lib/a.freezed.dart", True),
        ("android/GeneratedPluginRegistrant.java", True),
        ("src/__snapshots__/a.test.js.snap", True),
        ("A.xcodeproj/project.xcworkspace/contents.xcworkspacedata", True),
        ("vendor/github.com/a/b.go", True),
        ("vendor/-bad-.com/b.go", False),
        ("vendor/local/b.go", False),
        ("lock.py", False),
        ("src/a.dart", False),
        ("feature.cs", False),
    ],
)
def test_generated_names_are_known(path: str, generated: bool) -> None:
    assert one(is_generated_name(pa.array([path]))) == generated


@given(st.lists(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=40)))
def test_no_path_raises(paths: list[str]) -> None:
    column = pa.array(paths, pa.string())
    for question in (is_vendored, is_documentation, is_generated_name):
        assert len(question(column)) == len(paths)
