"""Fill in the middle of one document, and prompts in the same form: what evaluation, generation and tests call.

Rows for training are written by model.packing, many documents at a time, with the same kernels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from model.fim.cut_kernels import fim_into
from model.fim.metadata_kernels import line_of, metadata_into
from model.tokenizer.code_tokenizer import CodeTokenizer
from model.tokenizer.special import ABSENT
from stack_data.errors import InputError

Tokens = npt.NDArray[Any]
Order = Literal["psm", "spm"]


def fim(
    tokens: Tokens, key: np.uint64, tokenizer: CodeTokenizer, spm_rate: float = 0.5, cuts: tuple[int, int] | None = None
) -> npt.NDArray[np.int64]:
    """Cut a document and put it together for training; returns int64[N + 3 and what the cuts add + 1], the end of text last.

    tokens: uint[N], the document's, as the tokenizer gave them; key: model.fim.draws.key_of(seed, content_id, chunk, epoch); cuts: two
    places in its bytes, in order; drawn from the places between characters when left out.
    """
    special = tokenizer.special
    names = (special.fim_prefix, special.fim_suffix, special.fim_middle)
    size = int(tokenizer.lengths[tokens].sum())
    if cuts is not None and not 0 <= cuts[0] <= cuts[1] <= size:
        raise InputError(f"cuts are two places in order within the text's {size} bytes (seen: {cuts})")
    data, offsets, out = np.empty(size + 1, np.uint8), np.empty(len(tokens) + 1, np.int64), np.empty(size + 4, np.int64)
    # One kind of integers: the kernel is compiled once.
    end = fim_into(
        tokenizer.tables, np.asarray(tokens, np.int64), key, cuts or (-1, -1), float(spm_rate), True, True, names, np.empty(0, np.int64), size + 4, data,
        offsets, out, 0,
    )  # fmt: skip
    out[end] = special.end_of_text
    return out[: end + 1]


def prompt(
    tokenizer: CodeTokenizer,
    prefix: bytes,
    suffix: bytes,
    order: Order = "psm",
    repo_name: str = "",
    path: str = "",
    most: int = 64,
    files: Sequence[tuple[str, bytes]] = (),
) -> npt.NDArray[np.int64]:
    """Return the tokens after which a model writes the middle of prefix and suffix: int64[N].

    repo_name, path: the metadata prefix, left out where the tokenizer has no tokens for it; most: its tokens. files: paths and texts of other
    files of the repository, which stand before as files that are joined for training do (model.packing.joining); StarCoder2's tokens write
    no path of any where the repository has no name. InputError for files with a tokenizer that has no token to part them.
    """
    special = tokenizer.special
    before = _files(tokenizer, repo_name, files, most) if files else np.empty(0, np.int64)
    with_paths = _with_paths(tokenizer, repo_name)
    head, lead = (
        metadata(tokenizer, "", path if with_paths else "", most, is_fim=True, kept=(False, with_paths))
        if files
        else metadata(tokenizer, repo_name, path, most, is_fim=True)
    )
    if files and not len(head):
        head = np.array([special.file])
    prefix_tokens, after = (tokenizer.encode_one(text).astype(np.int64) for text in (prefix, suffix))
    names = [np.array([one]) for one in (special.fim_prefix, special.fim_suffix, special.fim_middle)]
    if order == "psm":
        return np.concatenate((before, head, names[0], lead, prefix_tokens, names[1], after, names[2]))
    return np.concatenate((before, head, names[0], names[1], after, names[2], lead, prefix_tokens))


def _files(
    tokenizer: CodeTokenizer, repo_name: str, files: Sequence[tuple[str, bytes]], most: int
) -> npt.NDArray[np.int64]:
    """Return whole files as they stand before another of their repository: int64[N]."""
    special = tokenizer.special
    if special.file == ABSENT:
        raise InputError(
            "this tokenizer has no token that parts files (<filename>, <file_sep>); ask for one file alone"
        )
    with_paths, parts = _with_paths(tokenizer, repo_name), []
    for number, (path, text) in enumerate(files):
        name = repo_name if number == 0 else ""
        kept = (name != "" and special.repository != ABSENT, with_paths)
        head, _ = metadata(tokenizer, name, path if with_paths else "", most, kept=kept)
        parts += [head if len(head) else np.array([special.file]), tokenizer.encode_one(text).astype(np.int64)]
    return np.concatenate(parts)


def _with_paths(tokenizer: CodeTokenizer, repo_name: str) -> bool:
    """Say whether files that stand together have their paths: StarCoder2's where the repository is named, StarCoder's always."""
    special = tokenizer.special
    return not special.separates_files or (repo_name != "" and special.repository != ABSENT)


def metadata(
    tokenizer: CodeTokenizer, repo_name: str, path: str, most: int = 64, is_fim: bool = False, kept: tuple[bool, bool] = (False, False)
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:  # fmt: skip
    """Return the tokens of the metadata prefix: what stands before `<fim_prefix>`, and what after it (StarCoder2's path).

    kept: whether the tokens of repository and file stand before empty names too, as before files that stand together.
    """
    special = tokenizer.special
    lines = []
    for name, token in ((repo_name, special.repository), (path, special.file)):
        data = np.frombuffer(name.encode() + b"\n", np.uint8)
        lines.append(line_of(data, np.array([0, len(data) - 1]), 0, token != ABSENT))
    head, lead = (np.empty(len(lines[0]) + len(lines[1]) + 2, np.int64) for _ in range(2))
    ids = (special.repository, special.file, int(special.separates_files))
    num_head, num_lead = metadata_into(tokenizer.tables, ids, lines[0], lines[1], most, is_fim, kept, head, lead)
    return head[:num_head], lead[:num_lead]
