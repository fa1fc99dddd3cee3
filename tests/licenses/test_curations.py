"""Corrections by people: what a curations file may say, what wins, and the way from a release to the corrected one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack_data.build import BuildResult
from stack_data.config import LicenseConfig
from stack_data.errors import ConfigError, StaleBuildError
from stack_data.licenses import curations as files
from stack_data.licenses.curations import Curation, Curations, Effect, repository_key, text_key
from stack_data.licenses.evidence import Evidence
from stack_data.licenses.policy import policy_of
from stack_data.licenses.rulings import Ruling, ruled, rulings_of
from stack_data.licenses.tree import Tree, verdict_of
from stack_data.reasons import Reason
from stack_data.release.notices import notice_path
from stack_data.verify import verify
from stack_data.why import explain, why
from tests.corpus import FILES, make, write_config

POLICY = policy_of(LicenseConfig())
WHO = 'person = "Jane Roe"\nreason = "read it"\ndate = 2026-11-20\n'
ID = "0123456789abcdef0123456789abcdef01234567"
TEXT = "9f" * 32


def entry(*lines: str, who: str = WHO) -> str:
    return "[[curation]]\n" + "\n".join(lines) + "\n" + who


def loaded(tmp_path: Path, text: str) -> Curations:
    path = tmp_path / "curations.toml"
    path.write_text(text)
    return files.load(path)


def test_the_shipped_curations_are_licence_texts_only() -> None:
    shipped = files.load()
    assert len(shipped.texts) >= 5
    assert not (shipped.contents or shipped.repositories or shipped.paths)
    assert shipped.texts["cb9bc658d67a5502ce2b2412ab329b8325f2d0cd1fbd11823a8832b8c96960a7"].license == "Apache-2.0"


def test_every_target_and_effect_is_read(tmp_path: Path) -> None:
    found = loaded(
        tmp_path,
        entry(f'text_sha256 = "{TEXT}"', 'license = "mit"', 'about = "a letter"')
        + entry(f'content_id = "{ID}"', "contested = true", 'license = "GPL-3.0-only"')
        + entry('repository = "GitHub.com/Ann/X"', "deny = true")
        + entry('repository = "github.com/ann/x"', 'path = "src/**"', 'license = "ISC"')
        + entry('repository = "github.com/ann/x"', 'path = "*.c"', "deny = true"),
    )
    assert (found.texts[TEXT].license, found.texts[TEXT].about) == ("MIT", "a letter")
    assert found.contents[ID].effect == "contested"
    assert found.repositories["github.com/ann/x"].effect == "deny"
    assert [one.glob for one in found.paths["github.com/ann/x"]] == ["src/**", "*.c"]


def test_ones_own_entry_replaces_the_shipped_one_of_the_same_text(tmp_path: Path) -> None:
    key = next(iter(files.load().texts))
    assert loaded(tmp_path, entry(f'text_sha256 = "{key}"', "deny = true")).texts[key].effect == "deny"


BOTH = f'content_id = "{ID}"'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[[curations]]\n", "unknown key 'curations'; did you mean 'curation'"),
        ("curation = 1\n", "must be a list of tables"),
        (entry(BOTH, 'licence = "MIT"'), "curation 1: unknown key 'licence'; did you mean 'license'"),
        (entry(BOTH, "allow = true"), "to allow something, say what it stands under"),
        (entry(BOTH), "has no effect"),
        (entry(BOTH, 'license = "MIT"', "deny = true"), "2 effects, 'license' and 'deny'"),
        (entry(BOTH, "deny = false"), "'deny' is true or not there"),
        (entry(BOTH, 'deny = "yes"'), "'deny' is true or not there"),
        (entry('license = "MIT"'), "needs one of text_sha256, content_id, repository"),
        (entry(BOTH, f'text_sha256 = "{TEXT}"', "deny = true"), "needs one of"),
        (entry('path = "a"', "deny = true"), "'repository' is missing"),
        (entry('repository = "ann/x"', "deny = true"), "not of the form host/owner/repo"),
        (entry('repository = "github.com/ann/x"', 'path = "!a"', "deny = true"), "no gitignore-style pattern"),
        (entry('repository = "github.com/ann/x"', 'path = "# a"', "deny = true"), "no gitignore-style pattern"),
        (entry('content_id = "123"', "deny = true"), "must be 40 hexadecimal digits (seen: '123')"),
        (entry("content_id = 1", "deny = true"), "'content_id' must be text"),
        (entry(f'text_sha256 = "{TEXT}"', "contested = true"), "'contested' belongs to a content_id"),
        (entry(BOTH, 'license = "MIT License of mine"'), "is no SPDX expression"),
        (entry(BOTH, "deny = true", who='person = "J"\nreason = "r"\n'), "'date' is missing"),
        (entry(BOTH, "deny = true", who='person = ""\nreason = "r"\ndate = 2026-11-20\n'), "'person' must be text"),
        (entry(BOTH, "deny = true", who='person = "J"\nreason = "r"\ndate = "2026-11-20"\n'), "is no date"),
        (entry(BOTH, "deny = true") + entry(BOTH, 'license = "MIT"'), "curation 2: is about the same content as curation 1"),
        ("[[curation]\n", "curations.toml"),
    ],
)  # fmt: skip
def test_a_bad_entry_is_refused_naming_file_number_and_value(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigError, match="curations.toml") as refused:
        loaded(tmp_path, text)
    assert told in str(refused.value)


def curation(target: files.Target, key: str, effect: Effect | str, glob: str = "") -> Curation:
    """`effect` other than deny and contested: the licence that is set."""
    kind: Effect = "deny" if effect == "deny" else "contested" if effect == "contested" else "license"
    return Curation(target, key, kind, effect if kind == "license" else None, "Jane Roe", "read it", "2026-11-20", glob)


def test_a_glob_is_gitignore_style_inside_its_repository_only() -> None:
    found = {"h/o/r": (curation("path", "h/o/r", "MIT", "/src/*.c"),)}
    places = pa.table(
        {
            "content_id": [ID] * 5, "repository": pa.array([0, 0, 0, 0, 1], pa.int32()),
            "path": ["src/a.c", "src/b/a.c", "x/src/a.c", "src/a.h", "src/a.c"],
        }
    )  # fmt: skip
    rulings, rows = rulings_of(places, ["h/o/r", "h/o/other"], Curations(paths=found), POLICY)
    assert [rulings[row].licensed is not None for row in rows] == [True, False, False, False, False]


LEVELS = st.sampled_from([None, "MIT", "ISC", "GPL-3.0-only", "deny"])


@given(LEVELS, LEVELS, LEVELS, st.sampled_from([None, "MIT", "GPL-3.0-only", "deny", "contested"]))
def test_the_closest_stated_licence_counts_and_no_denial_is_out_voted(
    repository: str | None, outer: str | None, inner: str | None, content: str | None
) -> None:
    paths = [curation("path", "h/o/r", one, glob) for one, glob in ((outer, "**"), (inner, "src/**")) if one]
    curations = Curations(
        contents={ID: curation("content", ID, content)} if content else {},
        repositories={"h/o/r": curation("repository", "h/o/r", repository)} if repository else {},
        paths={"h/o/r": tuple(paths)} if paths else {},
    )
    places = pa.table({"content_id": [ID], "repository": pa.array([0], pa.int32()), "path": ["src/a.c"]})
    rulings, rows = rulings_of(places, ["h/o/r"], curations, POLICY)
    one = curations.repositories.get("h/o/r")
    tree = Tree({}, one.evidence() if one and one.effect == "license" else None)
    verdict = ruled(verdict_of(tree.joined("src"), (), (), None, POLICY), rulings[rows[0]], POLICY)
    stated = [effect for effect in (content, inner, outer, repository) if effect not in (None, "deny", "contested")]
    expected = (
        Reason.LICENSE_CONTESTED if content == "contested"
        else Reason.LICENSE_DENIED if "deny" in (repository, outer, inner, content)
        else Reason.NO_LICENSE if not stated
        else Reason.LICENSE_NOT_PERMISSIVE if stated[0] == "GPL-3.0-only" else None
    )  # fmt: skip
    assert verdict.reason is expected
    if expected in (None, Reason.LICENSE_NOT_PERMISSIVE):
        assert verdict.expression == stated[0]


def test_places_without_curations_have_no_ruling() -> None:
    places = pa.table({"content_id": [ID, "f" * 40], "repository": pa.array([0, 0], pa.int32()), "path": ["a", "b"]})
    rulings, rows = rulings_of(places, [], files.load(), POLICY)
    assert rulings == [Ruling()]
    assert not np.any(rows)


def test_a_denied_text_puts_out_what_it_covers_whatever_stands_there() -> None:
    denied = curation("text", TEXT, "deny").evidence("lib/LICENSE", 10)
    tree = Tree({"": [Evidence("LICENSE", 0, 1, "text", "MIT")], "lib": [denied]})
    header = (Evidence("", 0, 1, "tag", "MIT"),)
    covered = verdict_of(tree.joined("lib/x"), header, (), None, POLICY)
    assert covered.reason is Reason.LICENSE_DENIED
    assert covered.evidence[0] == denied
    assert verdict_of(tree.joined("src"), (), (), None, POLICY).reason is None
    allowed = Ruling(licensed=curation("content", ID, "MIT"))
    assert ruled(covered, allowed, POLICY).reason is Reason.LICENSE_DENIED


def test_a_repository_on_which_a_person_decided_keeps_its_denied_texts() -> None:
    denied = curation("text", TEXT, "deny").evidence("LICENSE", 10)
    tree = Tree({"": [denied]}, curation("repository", "h/o/r", "MIT").evidence())
    assert verdict_of(tree.joined(""), (), (), None, POLICY).reason is Reason.LICENSE_DENIED


def test_a_permissive_word_on_a_repository_is_about_its_root() -> None:
    tree = Tree(
        {"": [Evidence("COPYING", 0, 1, "text", None)], "vendor/x": [Evidence("vendor/x/COPYING", 0, 1, "text", "GPL-2.0-only")]},
        curation("repository", "h/o/r", "MIT").evidence(),
    )  # fmt: skip
    assert verdict_of(tree.joined("src"), (), (), "no such licence", POLICY).expression == "MIT"
    header = (Evidence("", 0, 1, "tag", "GPL-3.0-only"),)
    assert verdict_of(tree.joined("src"), header, (), None, POLICY).reason is Reason.LICENSE_NOT_PERMISSIVE
    assert verdict_of(tree.joined("vendor/x"), (), (), None, POLICY).reason is Reason.LICENSE_NOT_PERMISSIVE
    assert verdict_of(tree.joined("vendor/y"), (), (), None, POLICY).reason is Reason.NO_LICENSE


def test_a_denied_place_says_nothing_new_about_other_places_and_hides_nothing() -> None:
    deny = Ruling(denied=curation("repository", "h/o/r", "deny"))
    for found, kind in (("MIT", "unknown"), ("GPL-3.0-only", "non_permissive")):
        tree = Tree({"": [Evidence("LICENSE", 0, 1, "text", found)]})
        assert ruled(verdict_of(tree.joined(""), (), (), None, POLICY), deny, POLICY).license_type == kind


def test_names_are_compared_folded() -> None:
    assert repository_key("GitHub.com", "Straße", "X") == repository_key("github.com", "STRASSE", "x")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> BuildResult:
    root = tmp_path_factory.mktemp("corpus")
    (root / "own.toml").write_text("")
    config = write_config(root)
    config.write_text(config.read_text() + '\n[license]\ncurations = "own.toml"\n')
    return make(config)


@pytest.fixture
def correct(built: BuildResult) -> Callable[..., BuildResult]:
    """Return a function that writes curations and builds again; `why` asks the result."""
    root = built.folder.parent.parent

    def corrected(*entries: str, version: str = "1.0.0") -> BuildResult:
        (root / "own.toml").write_text("\n".join(entries))
        return make(root / "small.toml", release__version=f'"{version}"')

    return corrected


def reason_of(result: BuildResult, path: str) -> str | None:
    found: str | None = why(result.folder, path)[0]["reason"]
    return found


def id_of(result: BuildResult, path: str) -> str:
    return str(why(result.folder, path)[0]["content_id"])


def test_from_a_release_to_why_to_a_correction_to_the_next_release(
    built: BuildResult, correct: Callable[..., BuildResult]
) -> None:
    assert built.release is not None
    (altered,) = why(built.folder, "n.py")
    assert altered["reason"] == "license_unknown"
    key = text_key(FILES["altered"]["LICENSE"].decode())
    entries = (
        entry(f'text_sha256 = "{key}"', 'license = "MIT"'),
        entry('repository = "directory/-/Unlicensed"', 'license = "ISC"'),
        entry('repository = "directory/-/permissive"', 'path = "third_party/bare/"', 'license = "BSD-2-Clause"'),
        entry(f'content_id = "{id_of(built, "gpl_header.c")}"', 'license = "MIT"'),
        entry(f'content_id = "{id_of(built, "index.js")}"', "deny = true"),
    )
    refused = correct(*entries)
    assert refused.refused  # 1.0.0 exists and never changes
    result = correct(*entries, version="2.0.0")
    assert result.release is not None
    expected = {"n.py": "MIT", "u.py": "ISC", "third_party/bare/c.c": "BSD-2-Clause", "gpl_header.c": "MIT"}
    rows = [row for path in result.release.glob("data/*/*.parquet") for row in pq.read_table(path).to_pylist()]
    licenses = {row["path"]: row["detected_licenses"] for row in rows}
    assert {path: licenses[path] for path in expected} == {path: [one] for path, one in expected.items()}
    assert "index.js" not in licenses
    assert reason_of(result, "index.js") == "license_denied"
    assert verify(result.folder).problems == []
    story = explain(why(result.folder, "gpl_header.c")[0])
    assert "curation MIT: set by Jane Roe on 2026-11-20 for this content: read it" in story
    assert "found: GPL-3.0-only, license_not_permissive" in story
    assert "curation MIT in LICENSE: set by Jane Roe" in explain(why(result.folder, "n.py")[0])
    assert "curation BSD-2-Clause in third_party/bare/" in explain(why(result.folder, "third_party/bare/c.c")[0])
    assert "license: Apache-2.0 (license_denied: Jane Roe, 2026-11-20: read it)" in explain(
        why(result.folder, "index.js")[0]
    )
    evidence = why(result.folder, "u.py")[0]["places"][0]["evidence"]
    assert [(one["method"], one["expression"]) for one in evidence] == [("curation", "ISC")]
    # The overruled text is shipped for its copyright line; a licence stated without a text gets the list's.
    assert "non-commercial" in (result.release / notice_path("directory", "-", "altered")).read_text()
    assert "ISC" in (result.release / notice_path("directory", "-", "unlicensed")).read_text()


def test_a_contested_content_is_out_in_every_source(built: BuildResult, correct: Callable[..., BuildResult]) -> None:
    content = id_of(built, "a.py")
    assert len(why(built.folder, "a.py")[0]["places"]) == 2
    claim = entry(f'content_id = "{content}"', "contested = true", 'license = "LicenseRef-mine"')
    result = correct(claim, entry('repository = "directory/-/other"', 'path = "**"', 'license = "MIT"'))
    (story,) = why(result.folder, content)
    assert story["reason"] == "license_contested"
    assert {place["license"]["reason"] for place in story["places"]} == {"license_contested"}
    assert "contested, accepted by Jane Roe on 2026-11-20 for this content" in explain(story)
    assert reason_of(result, "index.js") is None


def test_a_licence_that_is_set_is_judged_like_any_other(
    built: BuildResult, correct: Callable[..., BuildResult]
) -> None:
    result = correct(entry(f'content_id = "{id_of(built, "unicode.py")}"', 'license = "GPL-3.0-only"'))
    assert reason_of(result, "unicode.py") == "license_not_permissive"


def test_a_correction_decides_anew_and_taking_it_back_restores_the_decisions(
    built: BuildResult, correct: Callable[..., BuildResult]
) -> None:
    def decisions() -> dict[str, list[object]]:
        folder = built.folder / "decisions/license"
        return {path.name: pq.read_table(path).to_pylist() for path in folder.glob("*.parquet")}

    correct()
    before = decisions()
    correct(entry('repository = "directory/-/permissive"', "deny = true"))
    assert reason_of(built, "lib/b.c") == "license_denied"
    assert decisions() != before
    correct()
    assert decisions() == before
    assert json.loads((built.folder / "decisions/license/curations.json").read_text())["contents"] == []


def test_a_bad_curations_file_stops_a_build_before_anything_is_read(correct: Callable[..., BuildResult]) -> None:
    with pytest.raises(ConfigError, match=r"own\.toml: curation 1: unknown key 'lisense'; did you mean 'license'"):
        correct(entry(BOTH, 'lisense = "MIT"'))


def test_another_policy_is_still_refused_without_its_flag(built: BuildResult) -> None:
    root = built.folder.parent.parent
    (root / "own.toml").write_text("")
    with pytest.raises(StaleBuildError, match="--anew license"):
        make(root / "small.toml", license__places='"any"')
