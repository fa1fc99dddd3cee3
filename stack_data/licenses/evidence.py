"""Evidence: one thing found in one file that says something about a licence.

Verdicts are joins of evidence (stack_data/licenses/tree.py); every one of them keeps what it was joined from.
Spans are code-point offsets into the text of the file, so that a person can be shown the very words.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Method = Literal["text", "reference", "notice", "tag", "metadata", "declared", "curation"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """A finding about a licence.

    path        file it was found in, as the provenance spells it
    start, end  code-point span in that file's text; (0, 0) where no span applies
    method      text: a licence text compared word by word; reference: words that point at licences by name;
                notice: a standard header notice; tag: SPDX-License-Identifier; metadata: a package manifest;
                declared: stated by the source's configuration; curation: decided by a person
    expression  normalised SPDX expression, or None where the licence is not known
    score       share of the compared words that agreed, 0 to 1
    detail      what differed or why it is unknown; never more than a few words of the text
    files       gitignore-style patterns the finding speaks for; empty: everything below its level
    """

    path: str
    start: int
    end: int
    method: Method
    expression: str | None
    score: float = 1.0
    detail: str = ""
    files: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the evidence as plain JSON values, empty fields left out."""
        record = asdict(self)
        record["files"] = list(self.files)
        return {key: value for key, value in record.items() if value not in ("", [])}
