"""The tables of names and phrases: what they may hide and what they must not."""

from __future__ import annotations

from stack_data.licenses.phrases import BARE_WORD, NAME_WORD, tables
from stack_data.licenses.templates import Template
from stack_data.licenses.texts import find_texts
from stack_data.tables import LANGUAGE_TABLES, LICENSE_TABLES, load_table, tables_version
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


def test_a_variant_is_read_as_the_text_it_equals_and_a_change_to_it_is_not() -> None:
    header = """Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance
with the License. You may obtain a copy of the License at http://www.apache.org/licenses/LICENSE-2.0

THIS CODE IS PROVIDED ON AN *AS IS* BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, EITHER EXPRESS OR IMPLIED,
INCLUDING WITHOUT LIMITATION ANY IMPLIED WARRANTIES OR CONDITIONS OF TITLE, FITNESS FOR A PARTICULAR PURPOSE,
MERCHANTABILITY OR NON-INFRINGEMENT.

See the Apache Version 2.0 License for specific language governing permissions and limitations under the License.
"""
    assert is_permissive(header)
    assert not is_permissive(header.replace("may obtain", "may not use commercially, but may obtain"))


PATENTS = """Additional IP Rights Grant (Patents)

"This implementation" means the copyrightable works distributed by Google as part of the Go project.

Google hereby grants to You a perpetual, worldwide, non-exclusive, no-charge, royalty-free, irrevocable (except as
stated in this section) patent license to make, have made, use, offer to sell, sell, import, transfer and otherwise run,
modify and propagate the contents of this implementation of Go, where such license applies only to those patent claims,
both currently owned or controlled by Google and acquired in the future, licensable by Google that are necessarily
infringed by this implementation of Go.  This grant does not include claims that would be infringed only as a consequence
of further modification of this implementation.  If you or your agent or exclusive licensee institute or order or agree to
the institution of patent litigation against any entity (including a cross-claim or counterclaim in a lawsuit) alleging
that this implementation of Go or any code incorporated within this implementation of Go constitutes direct or
contributory patent infringement, or inducement of patent infringement, then any patent rights granted to you under this
License for this implementation of Go shall terminate as of the date such litigation is filed.
"""


def test_a_further_grant_is_known_word_by_word() -> None:
    def found(text: str) -> list[str | None]:
        return [one.expression for one in find_texts(text).evidence]

    assert found(PATENTS) == ["LicenseRef-google-patent-grant"]
    assert found(PATENTS.replace("any patent rights granted", "any rights granted")) == [None]


def test_a_bundle_of_hundreds_of_texts_is_read_to_its_end() -> None:
    found = find_texts("\n---\n".join(f"## package{number}\n\n{MIT}" for number in range(300)))
    assert found.understood
    assert sum(one.method == "text" for one in found.evidence) == 300


def test_a_changed_table_makes_another_version() -> None:
    versions = {
        tables_version(prefixes) for prefixes in (LICENSE_TABLES, LANGUAGE_TABLES, (*LICENSE_TABLES, "curations"))
    }
    assert len(versions) == 3
    assert all(0 < version < 2**53 for version in versions)  # exact in every JSON reader
