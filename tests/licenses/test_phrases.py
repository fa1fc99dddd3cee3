"""The tables of names and phrases: what they may hide and what they must not."""

from __future__ import annotations

from stack_data.licenses.phrases import BARE_WORD, NAME_WORD, tables
from stack_data.licenses.templates import Template
from stack_data.tables import load_table
from tests.licenses.samples import MIT, is_permissive


def strings(template: Template) -> list[str]:
    texts = [node for node in template.nodes if isinstance(node, str)]
    return texts + [choice for node in template.nodes if node[0] == "|" for choice in node[2]]


def test_every_table_states_origin_version_and_licence() -> None:
    for name in ("spdx_licenses", "blueoak_v15", "license_phrases"):
        assert {"origin", "version", "license"} <= load_table(name)["about"].keys()


def test_a_neutral_phrase_swallows_no_licence_name_unless_it_says_why_it_does_not_apply() -> None:
    """A name in a neutral phrase is one that does not license this code: compatibility, history, samples."""
    neutral = [t for t in tables().phrases.templates if t.kind == "neutral"]
    hiding = [t for t in neutral if {NAME_WORD, BARE_WORD}.intersection(strings(t))]
    reasons = (
        "compatible",
        "incompatible",
        "unlike",
        "sample code",
        "original code",
        "contributed code",
        "no ",
    )
    short = [t for t in hiding if not any(reason in " ".join(strings(t)) for reason in reasons)]
    assert all(len(" ".join(strings(t)).split()) >= 4 for t in short), [strings(t) for t in short]


def test_no_neutral_phrase_makes_a_lone_copyleft_name_vanish() -> None:
    for sentence in (
        "Licensed under the GPL.",
        "This is covered by the open source AGPLv3.",
        "Terms of the GPL.",
    ):
        assert not is_permissive(f"{sentence}\n\n{MIT}")


def test_every_listed_licence_and_exception_has_a_template() -> None:
    listed = load_table("spdx_licenses")
    compiled = {identifier for template in tables().texts.templates for identifier in template.ids}
    missing = {entry["id"] for entry in (*listed["licenses"], *listed["exceptions"])} - compiled
    assert missing == {"any-OSI"}


def test_every_rider_of_the_table_is_caught_beside_a_text() -> None:
    riders = (
        "for academic research",
        "licensed to employees",
        "in exchange for",
        "trade secrets",
        "on one computer",
    )
    assert [rider for rider in riders if is_permissive(f"{rider}\n\n{MIT}")] == []
