"""People review a sample of a release: the sheet, what comes back, the bound, and what to curate next."""

from __future__ import annotations

import csv
import io
import json
import shutil
from fractions import Fraction
from math import comb
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack_data.build import BuildResult
from stack_data.errors import InputError
from stack_data.licenses.curations import text_key
from stack_data.review import Sheet, read_sheet, review, upper_bound
from stack_data.review_sheet import FILLED, SHOWN, csv_text, read_lines, url_of
from stack_data.reviewed import Review, reviews
from stack_data.unknown_licenses import unknown_table, unknown_texts
from tests.corpus import FILES, make, write_config


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> BuildResult:
    return make(write_config(tmp_path_factory.mktemp("corpus")))


@pytest.fixture
def built(first: BuildResult, tmp_path: Path) -> Path:
    return Path(shutil.copytree(first.folder, tmp_path / first.folder.name))


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")))


def write(path: Path, rows: list[dict[str, str]], delimiter: str = ",", encoding: str = "utf-8") -> Path:
    with path.open("w", newline="", encoding=encoding) as file:
        writer = csv.DictWriter(file, [*SHOWN, *FILLED], delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return path


def fill(row: dict[str, str], verdict: str = "permissive", **values: str) -> dict[str, str]:
    return row | {"verdict": verdict, "reviewer": "Jane Roe", "date": "2026-11-20"} | values


def test_a_sheet_shows_places_licences_and_evidence_and_no_text(built: Path) -> None:
    sheet = review(built)
    rows = rows_of(sheet.path)
    assert sheet.num_lines == len(rows) == 7
    (found,) = (row for row in rows if row["path"] == "index.js")
    assert (found["repository"], found["license_found"], found["evidence"]) == (
        "'-/other", "Apache-2.0", "metadata Apache-2.0 in package.json",
    )  # fmt: skip
    assert all(row[column] == "" for row in rows for column in FILLED)
    written = sheet.path.read_bytes().decode()
    assert written.startswith("\ufeffcontent_id,")
    assert "module.exports" not in written


def test_the_draw_depends_on_release_size_and_seed_alone(built: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(built, tmp_path / "copy" / built.name))
    ids = [row["content_id"] for row in rows_of(review(built, "1.0.0", 3, 5).path)]
    assert [row["content_id"] for row in rows_of(review(other, None, 3, 5).path)] == ids
    shutil.rmtree(other / "reviews")
    assert [row["content_id"] for row in rows_of(review(other, None, 7, 5).path)][:3] == ids
    shutil.rmtree(other / "reviews")
    assert [row["content_id"] for row in rows_of(review(other, None, 7, 6).path)][:3] != ids


def test_a_sheet_that_people_began_to_fill_is_not_written_over(built: Path) -> None:
    sheet = review(built)
    review(built)
    rows = rows_of(sheet.path)
    write(sheet.path, [fill(rows[0]), *rows[1:]])
    with pytest.raises(InputError, match="people have filled it"):
        review(built)


def test_verdicts_are_counted_bounded_and_stored(built: Path, tmp_path: Path) -> None:
    assert reviews(built) is None
    rows = rows_of(review(built).path)
    filled = [
        fill(rows[0], license="MIT", date="2026-11-19"),
        fill(rows[1], "Not permissive", license="GPL-3.0-only", reviewer="john doe"),
        fill(rows[2], "unsure", reviewer="John Doe"),
        *rows[3:],
    ]
    found = read_sheet(built, write(tmp_path / "back.csv", filled))
    assert (found.reviewed, found.sampled, found.num_files) == (3, 7, 7)
    assert (found.permissive, found.not_permissive, found.unsure) == (1, 1, 1)
    assert (found.reviewers, found.first_date, found.last_date) == (2, "2026-11-19", "2026-11-20")
    assert found.upper_bound == pytest.approx(upper_bound(2, 3))
    assert reviews(built) == found
    stored = (built / "reviews/1.0.0.json").read_text()
    assert "Roe" not in stored
    assert json.loads(stored)["identity"] == json.loads((built / "reviews/1.0.0.sample.json").read_text())["identity"]
    assert "1 wrongly permissive, 1 unsure" in found.sentence()
    assert "3 files of 7 drawn" in found.sentence()


@pytest.mark.parametrize(("delimiter", "encoding"), [(";", "utf-8-sig"), ("\t", "utf-8")])
def test_what_spreadsheets_make_of_a_sheet_is_read(built: Path, tmp_path: Path, delimiter: str, encoding: str) -> None:
    rows = [fill(row, note="ä; b, c") for row in rows_of(review(built).path)]
    found = read_sheet(built, write(tmp_path / "1.0.0.csv", rows, delimiter, encoding))
    assert (found.reviewed, found.permissive) == (7, 7)
    assert found.upper_bound == pytest.approx(1 - 0.05 ** (1 / 7))


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"verdict": "ok"}, "line 2: verdict 'ok' is none of permissive, not_permissive, unsure"),
        ({"date": "11/20/2026"}, "line 2: date '11/20/2026' is no date; write it as 2026-11-20"),
        ({"date": "2026-02-30"}, "line 2: date '2026-02-30' is no date"),
        ({"reviewer": " "}, "line 2: has a verdict and no reviewer"),
        ({"verdict": ""}, "line 2: verdict '' is none of"),
        ({"license": "MIT License of mine"}, "line 2: license 'MIT License of mine' is no SPDX expression"),
        ({"license": "GPL-3.0-only"}, "line 2: verdict 'permissive' with license 'GPL-3.0-only', which this build does not"),
        ({"content_id": "0" * 40}, f"line 2: content_id {'0' * 40!r} is not of this sample"),
    ],
)  # fmt: skip
def test_a_bad_line_is_refused_naming_line_and_value(
    built: Path, tmp_path: Path, values: dict[str, str], told: str
) -> None:
    rows = rows_of(review(built).path)
    with pytest.raises(InputError) as refused:
        read_sheet(built, write(tmp_path / "back.csv", [fill(rows[0], **values), *rows[1:]]))
    assert told in str(refused.value)
    assert not (built / "reviews/1.0.0.json").exists()


def test_a_line_that_stands_twice_an_empty_sheet_and_other_files_are_refused(built: Path, tmp_path: Path) -> None:
    rows = rows_of(review(built).path)
    with pytest.raises(InputError, match="line 3: content_id .* stood on line 2 already"):
        read_sheet(built, write(tmp_path / "back.csv", [fill(rows[0]), fill(rows[0])]))
    with pytest.raises(InputError, match="no line has a verdict yet"):
        read_sheet(built, write(tmp_path / "back.csv", rows))
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="no column 'content_id'"):
        read_sheet(built, tmp_path / "other.csv")
    with pytest.raises(InputError, match="No such file"):
        read_sheet(built, tmp_path / "none.csv")
    with pytest.raises(InputError, match=r"no release 3\.0\.0; there are 1\.0\.0"):
        review(built, "3.0.0")
    with pytest.raises(InputError, match="at least one"):
        review(built, size=0)


def test_the_latest_release_with_a_review_is_told_and_only_of_lower_versions_when_asked(built: Path) -> None:
    rows = rows_of(review(built).path)
    found = read_sheet(built, write(built / "reviews/1.0.0.csv", [fill(row) for row in rows]))
    for version in ("1.2.0", "1.10.0"):
        value = found.to_json() | {"version": version}
        (built / f"reviews/{version}.json").write_text(json.dumps(value))
    newest, before = reviews(built), reviews(built, "1.10.0")
    assert newest is not None
    assert before is not None
    assert (newest.version, before.version) == ("1.10.0", "1.2.0")
    assert reviews(built, "1.0.0") is None
    (built / "reviews/2.0.0.json").write_text('{"format": "fairstack-review/2"}')
    with pytest.raises(InputError, match="newer fairstack"):
        reviews(built)


@pytest.mark.parametrize(
    ("wrong", "total", "bound"),
    [
        (0, 300, 1 - 0.05 ** (1 / 300)), (0, 1, 0.95), (1, 1, 1.0), (5, 5, 1.0), (3, 300, 0.0256414),
        (299, 300, 0.95 ** (1 / 300)), (0, 10**6, 1 - 0.05**1e-6),
    ],
)  # fmt: skip
def test_the_bound_has_known_values(wrong: int, total: int, bound: float) -> None:
    assert upper_bound(wrong, total) == pytest.approx(bound, rel=1e-5)


@given(st.integers(1, 40).flatmap(lambda total: st.tuples(st.integers(0, total - 1), st.just(total))))
def test_at_the_bound_so_few_wrong_ones_have_a_chance_of_5_percent(case: tuple[int, int]) -> None:
    wrong, total = case
    share = Fraction(upper_bound(wrong, total))
    tail = sum(comb(total, hits) * share**hits * (1 - share) ** (total - hits) for hits in range(wrong + 1))
    assert float(tail) == pytest.approx(0.05, abs=1e-6)
    assert upper_bound(wrong, total) <= upper_bound(wrong + 1, total)


@given(st.text(max_size=20))
def test_no_cell_is_a_formula_and_every_cell_comes_back(text: str) -> None:
    content = csv_text(["a", "b"], [{"a": text, "b": 1}]).encode()
    (row,) = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    assert not row["a"].startswith(("=", "+", "-", "@", "\t", "\r"))
    assert row["a"].removeprefix("'") == text.removeprefix("'")


def test_rows_without_anything_are_passed_over() -> None:
    sheet = ",".join(["content_id", *FILLED]) + "\nabc,permissive,,J,2026-11-20,\n,,,,,\n"
    assert [line.content_id for line in read_lines("s", sheet.encode(), ["abc"])] == ["abc"]


@pytest.mark.parametrize(
    ("place", "url"),
    [
        (("github.com", "a/b", "c0", "x y/z.c"), "https://github.com/a/b/blob/c0/x%20y/z.c"),
        (("gitlab.com", "a/g/b", "c0", "z.c"), "https://gitlab.com/a/g/b/-/blob/c0/z.c"),
        (("pypi", "-/flask", "3.0", "z.py"), "https://pypi.org/project/flask/3.0/"),
        (("npm", "s/p", "1.0", "z.js"), "https://www.npmjs.com/package/@s/p/v/1.0"),
        (("npm", "-/p", "1.0", "z.js"), "https://www.npmjs.com/package/p/v/1.0"),
        (("directory", "-/p", "", "z.js"), ""),
    ],
)
def test_places_of_known_hosts_have_an_address(place: tuple[str, str, str, str], url: str) -> None:
    assert url_of(*place) == url


def test_unknown_texts_are_told_with_what_they_cost(first: BuildResult) -> None:
    (found,) = unknown_texts(first.folder)
    assert found.text_sha256 == text_key(FILES["altered"]["LICENSE"].decode())
    assert (found.repository, found.path, found.num_copies) == ("directory/-/altered", "LICENSE", 1)
    dropped = [one for one in first.fold.attrition if one.reason == "license_unknown"]
    assert (found.num_files, found.num_bytes) == (dropped[0].num_files, dropped[0].num_bytes)
    assert found.text_sha256 in unknown_table([found])
    assert unknown_table([]) == "no licence text is unknown"


def test_equal_texts_in_two_repositories_are_one_entry_and_known_ones_are_none(tmp_path: Path) -> None:
    altered = FILES["altered"]["LICENSE"]
    for name, files in {
        "one": {"LICENSE": altered.replace(b"2020", b"2021"), "a.py": b"def one():\n    return 1\n"},
        "two": {"COPYING": altered, "package.json": b'{"license": "MIT"}', "b.py": b"def two():\n    return 2\n" * 9},
    }.items():
        for path, content in files.items():
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / name / path).write_bytes(content)
    result = make(write_config(tmp_path, folders=("one", "two", "copyleft")))
    (found,) = unknown_texts(result.folder)
    assert (found.repository, found.path, found.num_copies) == ("directory/-/two", "COPYING", 2)
    out = [one.num_bytes for one in result.fold.attrition if one.reason in ("license_unknown", "license_conflict")]
    assert found.num_bytes == sum(out)


def test_from_an_unknown_text_to_the_curation_that_settles_it(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    config.write_text(config.read_text() + '\n[license]\ncurations = "own.toml"\n')
    (tmp_path / "own.toml").write_text("")
    result = make(config)
    sheet: Sheet = review(result.folder)
    (row,) = csv.DictReader(io.StringIO(sheet.unknown_path.read_bytes().decode("utf-8-sig"), newline=""))
    (tmp_path / "own.toml").write_text(
        f'[[curation]]\ntext_sha256 = "{row["text_sha256"]}"\nlicense = "MIT"\nperson = "J"\nreason = "r"\ndate = 2026-11-20\n'
    )
    again = make(config, release__version='"2.0.0"')
    assert again.release is not None
    paths = {row["path"] for path in again.release.glob("data/*/*.parquet") for row in pq.read_table(path).to_pylist()}
    assert "n.py" in paths
    assert unknown_texts(again.folder) == []
    assert isinstance(read_sheet(again.folder, write(sheet.path, [fill(one) for one in rows_of(sheet.path)])), Review)
