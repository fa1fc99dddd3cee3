"""`data review`: people look at a sample of a release, and the next card says how often the builder was wrong.

`review` draws a uniform sample of a release's files (by hash of content_id and seed) and writes it as a sheet, with the
unknown licence texts that cost most beside it; `read_sheet` checks what people filled in and stores the share of wrongly
permissive files that the sample does not rule out. Writes below build/<name>/reviews/: `<version>.csv`,
`<version>.sample.json`, `<version>.json` and `unknown-licences.csv`.

The sheet is in hash order, so its first lines are a uniform sample too: a sheet filled from the top says what a smaller
sample would, one filled here and there says nothing reliable. `unsure` counts as wrong. The bound is the exact
(Clopper-Pearson) one of the binomial distribution, for a release much larger than its sample; it is about licences
alone, and as good as the reviewers.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from stack_data import manifest, storage
from stack_data.config_file import load_resolved
from stack_data.errors import InputError
from stack_data.layout import Build, version_key
from stack_data.licenses.policy import policy_of
from stack_data.review_sample import draw, sheet_rows
from stack_data.review_sheet import FILLED, SHOWN, Line, csv_text, read_lines
from stack_data.reviewed import FORMAT, UNKNOWN_ROWS, Review, is_version, read_record
from stack_data.unknown_licenses import UnknownText, unknown_texts

CONFIDENCE = 0.95
SAMPLE = 300
"""Files looked at by default: without a wrong one the bound is then just under 1%."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet that was written: where, how many lines, and the unknown licence texts that cost most (`unknown_path`)."""

    path: Path
    num_lines: int
    unknown_path: Path
    unknown: list[UnknownText]


def review(build: Path, version: str | None = None, size: int = SAMPLE, seed: int = 0) -> Sheet:
    """Draw a sample of a release of a build and write its sheet; default: the latest release.

    Raises InputError when there is no such release, or a sheet of another sample, or one that people began to fill.
    """
    if size < 1:
        raise InputError(f"--sample {size}: a sample has at least one file")
    opened = Build.open(build)
    release = release_folder(opened, version)
    listed = manifest.read(release / "manifest.json")
    drawn = draw(release, size, seed)
    rows = sheet_rows(opened, drawn)
    path = _folder(opened) / f"{release.name}.csv"
    text = csv_text((*SHOWN, *FILLED), rows)
    if path.exists() and path.read_bytes() != text.encode():
        raise InputError(
            f"{path} exists and is another sheet, or people have filled it; read it with --read {path}, or move it away"
        )
    record = {
        "format": FORMAT, "version": release.name, "identity": storage.sha256_file(release / "manifest.json"), "seed": seed,
        "num_files": int(listed.counts["files"]), "content_ids": drawn["content_id"].to_pylist(),
    }  # fmt: skip
    storage.write_json(_record(opened, release.name), record)
    storage.write_text(path, text)
    unknown = unknown_texts(build)
    unknown_path = path.with_name("unknown-licences.csv")
    storage.write_text(unknown_path, csv_text(UnknownText.COLUMNS, [one.to_json() for one in unknown]))
    return Sheet(path, drawn.num_rows, unknown_path, unknown)


def read_sheet(build: Path, sheet: Path, version: str | None = None) -> Review:
    """Check a sheet that people filled, wholly or from the top, and store what it says; default: of the latest release.

    Raises InputError naming the first bad line and its value, or when no line has a verdict yet.
    """
    opened = Build.open(build)
    name = version or (sheet.stem if _record(opened, sheet.stem).exists() else release_folder(opened, None).name)
    drawn = read_record(_record(opened, name))
    try:
        content = sheet.read_bytes()
    except OSError as error:
        raise InputError(f"{sheet}: {error.strerror}") from error
    lines = read_lines(str(sheet), content, drawn["content_ids"])
    if not lines:
        raise InputError(f"{sheet}: no line has a verdict yet")
    _check_agreement(opened, sheet, lines)
    unknown = tuple((one.text_sha256, one.num_files, one.num_bytes) for one in unknown_texts(build)[:UNKNOWN_ROWS])
    found = replace(_review(drawn, lines, hashlib.sha256(content).hexdigest()), unknown=unknown)
    storage.write_json(_folder(opened) / f"{name}.json", found.to_json())
    return found


def upper_bound(wrong: int, looked_at: int, confidence: float = CONFIDENCE) -> float:
    """Return the one-sided Clopper-Pearson upper bound: the largest share with which so few wrong ones are not unlikely.

    The share p at which a sample of `looked_at` holds at most `wrong` wrong ones with probability 1 - confidence.
    """
    if wrong >= looked_at:
        return 1.0
    low, high = wrong / looked_at, 1.0
    while high - low > 1e-12:
        middle = (low + high) / 2
        low, high = (middle, high) if _at_most(wrong, looked_at, middle) > 1 - confidence else (low, middle)
    return high


def _at_most(count: int, total: int, share: float) -> float:
    """Return the probability of at most `count` hits in `total` draws."""
    if share <= 0 or share >= 1:
        return float(share <= 0)
    logs = (
        math.lgamma(total + 1) - math.lgamma(hits + 1) - math.lgamma(total - hits + 1)
        + hits * math.log(share) + (total - hits) * math.log1p(-share)
        for hits in range(count + 1)
    )  # fmt: skip
    return math.fsum(map(math.exp, logs))


def release_folder(build: Build, version: str | None) -> Path:
    """Return the folder of a release of a build, the latest by default; InputError when there is none."""
    made = {path.parent.name: path.parent for path in build.release("").glob("*/manifest.json")}
    versions = sorted(filter(is_version, made), key=version_key)
    wanted = version or (versions[-1] if versions else "")
    if wanted not in versions:
        there = (
            f"there are {', '.join(versions)}" if versions else f"make one with: fairstack data release {build.folder}"
        )
        raise InputError(f"{build.folder} has no release {version or ''}".rstrip() + f"; {there}")
    return made[wanted]


def _folder(build: Build) -> Path:
    return build.folder / "reviews"


def _record(build: Build, version: str) -> Path:
    return _folder(build) / f"{version}.sample.json"


def _check_agreement(build: Build, sheet: Path, lines: list[Line]) -> None:
    """Refuse a line whose verdict says permissive and whose licence is not."""
    policy = policy_of(load_resolved(build.config).license)
    for line in lines:
        if (
            line.license
            and line.verdict != "unsure"
            and policy.is_permissive(line.license) != (line.verdict == "permissive")
        ):
            state = "allows" if line.verdict == "not_permissive" else "does not allow"
            raise InputError(
                f"{sheet}: line {line.number}: verdict {line.verdict!r} with license {line.license!r}, which this build {state}"
            )


def _review(drawn: dict[str, Any], lines: list[Line], sheet_sha256: str) -> Review:
    counts = Counter(line.verdict for line in lines)
    wrong = counts["not_permissive"] + counts["unsure"]
    dates = np.sort([line.date for line in lines]).tolist()
    return Review(
        version=drawn["version"], identity=drawn["identity"], num_files=drawn["num_files"], seed=drawn["seed"],
        sampled=len(drawn["content_ids"]), reviewed=len(lines), permissive=counts["permissive"],
        not_permissive=counts["not_permissive"], unsure=counts["unsure"], upper_bound=upper_bound(wrong, len(lines)),
        reviewers=len({line.reviewer.casefold() for line in lines}), first_date=dates[0], last_date=dates[-1],
        sheet_sha256=sheet_sha256,
    )  # fmt: skip
