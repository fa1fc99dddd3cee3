"""An altered licence text is not that licence: no change with an effect may be read as permissive."""

from __future__ import annotations

import re
import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.licenses.samples import is_permissive, spdx_text

COMMON = ("MIT", "ISC", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0", "Zlib", "BSL-1.0", "0BSD")

RIDERS = (
    "Commercial use prohibited.",
    "For non-commercial use only.",
    "The Software shall be used for Good, not Evil.",
    "No military use.",
    "You may not use this software to compete with Acme.",
    "By permission only.",
    "Free for personal use.",
    "For research.",
    "To be used only for teaching.",
    "Licensed to students.",
    "This software is licensed\nto Acme employees.",
    "Companies with over 1M in revenue contact us.",
    "Property of Acme; trade secret.",
    "No patent license is granted.",
    "This license applies to individuals.",
    "Everyone except Acme.",
    "Users must send a postcard to the author.",
    "Ask the author before redistributing.",
    "You must disclose source.",
    "All derivative works shall be under this license.",
    "Without limiting other conditions in the License, the grant of rights under the License will not include, and "
    "the License does not grant to you, the right to Sell the Software.",
    "This software is subject to separate terms.",
    "Under the Foo license.",
    "This software is released under the Acme Public License.",
    "Licensed under the GPL.",
    "GPL-3.0",
    "AGPLv3",
    "Kommerzielle Nutzung verboten.",
    "Usage commercial interdit.",
    "Evaluation copy.",
    "Trial version.",
    "Expires 2030.",
    "On a single machine.",
    "Hosting as a service is prohibited.",
    "Do not use for machine learning.",
    "Don't be evil.",
    "Do good.",
    "Members only.",
    "This grant terminates after one year.",
    "Reverse engineering is not permitted.",
    "Must not be exported to embargoed countries.",
    "Use of the open source GPL version.",
    "Excluding Acme.",
)

EFFECTS = ("not", "only", "except for commercial use", "shall not", "with permission of Acme alone required")


@pytest.mark.parametrize("identifier", COMMON)
@pytest.mark.parametrize("rider", RIDERS)
def test_a_rider_is_found_before_between_and_after_the_paragraphs(identifier: str, rider: str) -> None:
    paragraphs = re.split(r"\n+", spdx_text(identifier))
    for place in {0, 1, 2, len(paragraphs) // 2, len(paragraphs) - 1, len(paragraphs)}:
        apart = "\n\n".join([*paragraphs[:place], rider, *paragraphs[place:]])
        assert not is_permissive(apart), (place, "apart")
        if place:
            joined = "\n\n".join([*paragraphs[: place - 1], f"{paragraphs[place - 1]} {rider}", *paragraphs[place:]])
            assert not is_permissive(joined), (place, "joined")


@pytest.mark.parametrize("identifier", COMMON)
def test_a_word_with_an_effect_inserted_between_any_two_words_is_found(identifier: str) -> None:
    text = spdx_text(identifier)
    places = [word.start() for word in re.finditer(r"(?<=\s)[A-Za-z]", text)]
    step = max(1, len(places) // 60)
    for number, place in enumerate(places[::step]):
        effect = EFFECTS[number % len(EFFECTS)]
        assert not is_permissive(f"{text[:place]}{effect} {text[place:]}"), text[place - 30 : place + 10]


OPERATIVE = r"granted|Permission|without|fee|provided|shall|must|may|not|warrant\w+|liable|copyright notice|conditions?"


@pytest.mark.parametrize("identifier", COMMON)
def test_a_removed_word_with_an_effect_is_found(identifier: str) -> None:
    text = spdx_text(identifier)
    missed = []
    for word in list(re.finditer(rf"\b(?:{OPERATIVE})\b", text, re.I))[:60]:
        changed = text[: word.start()] + text[word.end() :]
        if word.start() > text.index(" ", 90) and is_permissive(changed):  # not in title and copyright line
            missed.append(text[max(0, word.start() - 25) : word.end() + 10])
    assert missed == []


@pytest.mark.parametrize("identifier", ("MIT", "ISC", "BSD-3-Clause", "Zlib", "Apache-2.0"))
def test_a_removed_paragraph_is_found_unless_the_rest_is_a_licence_of_its_own(identifier: str) -> None:
    paragraphs = [part for part in re.split(r"\n+", spdx_text(identifier)) if len(part.split()) > 15]
    whole = "\n".join(paragraphs)
    heads = ("THE SOFTWARE IS", "This software is", "APPENDIX", "To apply the", "Neither the name")
    for part in paragraphs:
        if len(paragraphs) > 1 and not any(head in part for head in heads):
            assert not is_permissive(whole.replace(part, "")), part[:60]


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(COMMON),
    st.integers(0, 10_000),
    st.sampled_from(("not", "never", "only", "prohibited", "noncommercial", "must", "royalty", "revoked")),
    st.sampled_from((" ", "\n", "\n\n", " (", ", ")),
)
def test_an_effect_at_any_place_is_found(identifier: str, place: int, word: str, around: str) -> None:
    text = spdx_text(identifier)
    starts = [match.start() for match in re.finditer(r"(?<=\s)\S", text)]
    at = starts[place % len(starts)]
    assert not is_permissive(f"{text[:at]}{word}{around}{text[at:]}")


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(COMMON),
    st.integers(20, 110),
    st.sampled_from(("", "# ", " * ", "// ", ";; ", "-- ", "> ")),
)
def test_wrapping_and_comment_marks_change_nothing(identifier: str, width: int, mark: str) -> None:
    paragraphs = re.split(r"\n+", spdx_text(identifier))
    wrapped = [textwrap.fill(part, width, break_on_hyphens=False, break_long_words=False) for part in paragraphs]
    lines = "\n\n".join(wrapped).splitlines()
    assert is_permissive("\n".join(f"{mark}{line}" for line in lines))
