"""Special tokens: StarCoder's names in order, and which id plays which part in a given tokenizer.

Own tokenizers have the 19 names as ids 0 to 18. Those of other models are read by name: StarCoder2 says `<repo_name>` and `<file_sep>`
where StarCoder says `<reponame>` and `<filename>`, and SantaCoder writes its names with hyphens.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stack_data.errors import InputError

SPECIAL_TOKENS = (
    "<|endoftext|>", "<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<fim_pad>", "<filename>", "<gh_stars>", "<issue_start>",
    "<issue_comment>", "<issue_closed>", "<jupyter_start>", "<jupyter_text>", "<jupyter_code>", "<jupyter_output>", "<empty_output>",
    "<commit_before>", "<commit_msg>", "<commit_after>", "<reponame>",
)  # fmt: skip
"""StarCoder's special tokens; the position is the id (shared by every tokenizer that is trained here)."""

_REQUIRED = {
    "end_of_text": ("<|endoftext|>",),
    "fim_prefix": ("<fim_prefix>", "<fim-prefix>"),
    "fim_middle": ("<fim_middle>", "<fim-middle>"),
    "fim_suffix": ("<fim_suffix>", "<fim-suffix>"),
    "fim_pad": ("<fim_pad>", "<fim-pad>"),
}
_OPTIONAL = {"repository": ("<reponame>", "<repo_name>"), "file": ("<filename>", "<file_sep>")}
ABSENT = -1


@dataclass(frozen=True, slots=True)
class SpecialIds:
    """Ids by the part they play.

    repository, file  begin the name of a repository and of a file; ABSENT where the tokenizer has none
    separates_files   `file` stands between the files of a repository (StarCoder2), not only before a name
    """

    end_of_text: int
    fim_prefix: int
    fim_middle: int
    fim_suffix: int
    fim_pad: int
    repository: int
    file: int
    separates_files: bool

    @classmethod
    def of(cls, ids: Mapping[str, int], origin: str) -> SpecialIds:
        """Read the parts from a tokenizer's special tokens. origin: named in the InputError when it cannot fill in the middle."""
        found = {part: _first(names, ids) for part, names in {**_REQUIRED, **_OPTIONAL}.items()}
        missing = [names[0] for part, names in _REQUIRED.items() if found[part] == ABSENT]
        if missing:
            raise InputError(
                f"{origin} has no special token {missing[0]}, so it cannot be used to fill in the middle; use a tokenizer of StarCoder or "
                "StarCoder2, or train one: fairstack model tokenizer"
            )
        return cls(**found, separates_files="<file_sep>" in ids and "<filename>" not in ids)


def _first(names: tuple[str, ...], ids: Mapping[str, int]) -> int:
    return next((ids[name] for name in names if name in ids), ABSENT)
