"""Evidence joined over trees: one smallest tree per rule."""

from __future__ import annotations

import pytest

from stack_data.config import LicenseConfig
from stack_data.licenses.evidence import Evidence
from stack_data.licenses.policy import policy_of
from stack_data.licenses.tree import Tree, Verdict, join_level, verdict_of
from stack_data.reasons import Reason


def text(expression: str | None, path: str = "LICENSE", files: tuple[str, ...] = ()) -> Evidence:
    return Evidence(path, 0, 1, "text", expression, files=files)


def manifest(expression: str | None, path: str = "package.json") -> Evidence:
    return Evidence(path, 0, 1, "metadata", expression)


def verdict(tree: Tree, path: str, *header: Evidence, stated: str | None = None) -> Verdict:
    joined = tree.joined(path.rpartition("/")[0])
    return verdict_of(joined, header, tree.scoped_for(path), stated, policy_of(LicenseConfig()))


def reason(levels: dict[str, list[Evidence]], path: str, *header: Evidence) -> Reason | None:
    return verdict(Tree(levels), path, *header).reason


def test_no_evidence_means_out() -> None:
    assert reason({}, "a.py") is Reason.NO_LICENSE


def test_a_root_licence_covers_every_folder() -> None:
    assert reason({"": [text("MIT")]}, "a/b/c.py") is None


def test_an_unknown_text_is_out() -> None:
    assert reason({"": [text(None)]}, "a.py") is Reason.LICENSE_UNKNOWN


def test_copyleft_is_out() -> None:
    assert reason({"": [text("GPL-3.0-only")]}, "a.py") is Reason.LICENSE_NOT_PERMISSIVE


def test_permissive_and_copyleft_texts_side_by_side_conflict() -> None:
    assert reason({"": [text("MIT"), text("GPL-2.0-only", "COPYING")]}, "a.py") is Reason.LICENSE_CONFLICT


def test_a_statement_that_offers_the_texts_as_a_choice_reconciles_them() -> None:
    levels = {"": [text("MIT"), text("GPL-2.0-only", "COPYING"), manifest("MIT OR GPL-2.0-or-later")]}
    assert reason(levels, "a.py") is None


def test_a_choice_does_not_cover_a_third_text() -> None:
    levels = {"": [text("MIT"), text("MPL-2.0", "COPYING"), manifest("MIT OR GPL-2.0-only")]}
    assert reason(levels, "a.py") is Reason.LICENSE_CONFLICT


@pytest.mark.parametrize(("expression", "kept"), [("MIT OR GPL-2.0-only", True), ("MIT AND GPL-2.0-only", False)])
def test_or_is_a_choice_and_and_is_not(expression: str, kept: bool) -> None:
    assert (reason({"": [manifest(expression)]}, "a.py") is None) is kept


def test_every_level_up_to_the_root_must_be_permissive() -> None:
    assert reason({"": [text("GPL-3.0-only")], "lib": [text("MIT")]}, "lib/a.py") is Reason.LICENSE_CONFLICT
    assert reason({"": [text("MIT")], "lib": [text("GPL-3.0-only")]}, "lib/a.py") is Reason.LICENSE_CONFLICT
    assert reason({"": [text("MIT")], "lib": [text("GPL-3.0-only")]}, "a.py") is None


def test_a_manifest_that_states_a_licence_starts_anew() -> None:
    levels = {"": [text("GPL-3.0-only")], "packages/x": [manifest("MIT")]}
    assert reason(levels, "packages/x/src/a.js") is None
    assert reason(levels, "packages/y/a.js") is Reason.LICENSE_NOT_PERMISSIVE


def test_a_manifest_that_states_nothing_does_not_start_anew() -> None:
    assert reason({"": [text("GPL-3.0-only")], "packages/x": []}, "packages/x/a.js") is Reason.LICENSE_NOT_PERMISSIVE


@pytest.mark.parametrize("folder", ["third_party", "node_modules", "vendor", "_vendor", "extern", "deps"])
def test_a_child_of_a_foreign_folder_has_its_own_licence_or_none(folder: str) -> None:
    levels = {"": [text("GPL-3.0-only")], f"{folder}/good": [text("MIT")]}
    assert reason(levels, f"{folder}/good/src/a.c") is None
    assert reason({"": [text("MIT")]}, f"{folder}/bare/a.c") is Reason.NO_LICENSE
    assert reason({"": [text("MIT")]}, f"{folder}/a.c") is Reason.NO_LICENSE


def test_deeper_evidence_below_a_foreign_folder_counts() -> None:
    levels = {"": [text("GPL-3.0-only")], "vendor/github.com/o/r": [text("BSD-3-Clause")]}
    assert reason(levels, "vendor/github.com/o/r/x/a.go") is None
    assert reason(levels, "vendor/github.com/o/other/a.go") is Reason.NO_LICENSE


def test_a_header_that_is_not_permissive_always_drops() -> None:
    assert reason({"": [text("MIT")]}, "a.c", text("GPL-2.0-only")) is Reason.LICENSE_NOT_PERMISSIVE


def test_a_permissive_header_replaces_the_tree() -> None:
    assert reason({"": [text("GPL-3.0-only")]}, "a.c", text("MIT")) is None


def test_a_vague_header_needs_the_tree() -> None:
    family = Evidence("", 0, 1, "notice", "LicenseRef-family-BSD")
    assert verdict(Tree({"": [text("BSD-3-Clause")]}), "a.c", family).expression == "BSD-3-Clause"
    assert reason({"": [text("GPL-3.0-only")]}, "a.c", family) is Reason.LICENSE_CONFLICT
    assert reason({}, "a.c", family) is Reason.NO_LICENSE


def test_a_section_speaks_for_the_files_it_names_only() -> None:
    levels = {"": [text("MIT"), text("GPL-2.0-only", files=("libs/*",))]}
    assert reason(levels, "src/a.c") is None
    assert reason(levels, "libs/a.c") is Reason.LICENSE_CONFLICT


def test_a_statement_for_one_place_is_joined() -> None:
    assert verdict(Tree({}), "a.py", stated="MIT").reason is None
    assert verdict(Tree({"": [text("MIT")]}), "a.py", stated="GPL-2.0-only").reason is Reason.LICENSE_CONFLICT
    assert verdict(Tree({}), "a.py", stated="no such thing").reason is Reason.LICENSE_UNKNOWN


def test_an_understood_text_says_what_an_odd_manifest_means() -> None:
    assert join_level([text("MIT"), manifest(None)]).unknown == ()
    assert join_level([manifest(None)]).unknown


def test_an_exception_alone_grants_nothing() -> None:
    assert reason({"": [text("LLVM-exception")]}, "a.c") is not None
    assert reason({"": [text("Apache-2.0"), text("LLVM-exception")]}, "a.c") is None


def test_what_the_configuration_declares_replaces_the_root() -> None:
    declared = Evidence("", 0, 0, "declared", "MIT")
    tree = Tree({"": [text(None)], "third_party/x": [text("GPL-2.0-only")]}, declared)
    assert verdict(tree, "a.py").reason is None
    assert verdict(tree, "third_party/x/a.py").reason is Reason.LICENSE_NOT_PERMISSIVE


def test_a_dedication_beside_a_licence_narrows_nobody_and_alone_is_no_licence() -> None:
    dedication = text("LicenseRef-public-domain", "AUTHORS.md")
    assert verdict(Tree({"": [text("MIT"), dedication]}), "a.c").expression == "MIT"
    assert reason({"": [text("GPL-2.0-only"), dedication]}, "a.c") is Reason.LICENSE_NOT_PERMISSIVE
    assert reason({"": [dedication]}, "a.c") is Reason.LICENSE_NOT_PERMISSIVE
    assert reason({"": [manifest("MIT OR LicenseRef-public-domain")]}, "a.c") is None


def test_a_further_grant_beside_a_licence_narrows_nobody_and_alone_is_no_licence() -> None:
    grant = text("LicenseRef-google-patent-grant", "PATENTS")
    assert verdict(Tree({"": [text("BSD-3-Clause"), grant]}), "a.go").expression == "BSD-3-Clause"
    assert verdict(Tree({"": [text("BSD-3-Clause")], "x": [grant]}), "x/a.go").expression == "BSD-3-Clause"
    assert reason({"": [grant]}, "a.go") is Reason.LICENSE_NOT_PERMISSIVE


def test_a_named_file_that_moved_is_narrowed_but_never_granted() -> None:
    levels = {
        "": [text("MIT"), text("GPL-2.0-only", files=("old/place/a.c",))],
        "vendor": [text("ISC", "vendor/LICENSE")],
    }
    assert reason(levels, "new/a.c") is Reason.LICENSE_CONFLICT
    assert reason(levels, "new/b.c") is None
    assert reason({"": [text("MIT", files=("src/a.c",))]}, "src/a.c") is None
    assert reason({"": [text("MIT", files=("src/a.c",))]}, "elsewhere/a.c") is Reason.NO_LICENSE
