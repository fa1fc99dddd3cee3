"""The way back: from the tokens of one training item to the bytes of its document, exactly.

Special tokens never come from a text (the tokenizer writes their names as plain text), so what they part is unambiguous. Both orders
are undone alike: what follows `<fim_prefix>`, then what follows `<fim_middle>`, then what follows `<fim_suffix>`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from model.tokenizer.code_tokenizer import CodeTokenizer
from stack_data.errors import InputError


@dataclass(frozen=True, slots=True)
class Unfolded:
    """One item taken apart.

    text: the document's bytes, or the chunk's; repo_name, path: of the metadata prefix, "" for none; is_cut: it was cut for filling in;
    is_ended: it ends with the end of text, as every last chunk and everything cut does.
    """

    text: bytes
    repo_name: str
    path: str
    is_cut: bool
    is_ended: bool


def unfim(tokens: npt.ArrayLike, tokenizer: CodeTokenizer) -> bytes:
    """Return the bytes of the document (or chunk) that an item was made of. InputError where the tokens are no whole item."""
    return unfold(tokens, tokenizer).text


def unfold(tokens: npt.ArrayLike, tokenizer: CodeTokenizer) -> Unfolded:
    """Take the tokens of one item apart. InputError where they are no whole item."""
    ids, is_ended = _ended(tokens, tokenizer)
    return _unfolded(_parted(ids, tokenizer), tokenizer, True, is_ended)


def unfold_files(tokens: npt.ArrayLike, tokenizer: CodeTokenizer) -> list[Unfolded]:
    """Take apart files that stand together (model.packing.joining), in order. InputError where they are no whole bundle of them.

    Each has the repository's name that stands before them all. Where none does, StarCoder2's tokens write no paths.
    """
    special = tokenizer.special
    ids, is_ended = _ended(tokens, tokenizer)
    begins = np.flatnonzero(ids == special.file).tolist()
    head = ids[: begins[0]] if begins else ids
    if not begins or (len(head) and head[0] != special.repository):
        raise InputError("these tokens are no files that stand together: no token of a file stands first")
    repo_name = _name(tokenizer.decode(head[1:])) if len(head) else ""
    with_paths = not special.separates_files or len(head) > 0
    parts = [ids[begin:end] for begin, end in zip(begins, [*begins[1:], len(ids)], strict=True)]
    files = [_unfolded(_parted(part, tokenizer), tokenizer, with_paths, True) for part in parts]
    return [replace(one, repo_name=repo_name, is_ended=is_ended) for one in files]


def _ended(tokens: npt.ArrayLike, tokenizer: CodeTokenizer) -> tuple[npt.NDArray[np.int64], bool]:
    """Return tokens without the end of text, and whether there was one."""
    ids = np.asarray(tokens, np.int64).ravel()
    is_ended = bool(len(ids) and ids[-1] == tokenizer.special.end_of_text)
    return ids[:-1] if is_ended else ids, is_ended


def _unfolded(parts: list[tuple[int, bytes]], tokenizer: CodeTokenizer, with_path: bool, is_ended: bool) -> Unfolded:
    """Put one file together out of its parts. with_path: a line with its path follows the token of a file."""
    special = tokenizer.special
    order = [token for token, _ in parts[1:]]
    named = [token for token in order if token in (special.repository, special.file)]
    cut = order[len(named) :]
    if (
        order[: len(named)] != named
        or named not in ([], [special.repository], [special.file], [special.repository, special.file])
        or cut not in ([], [special.fim_prefix, special.fim_suffix, special.fim_middle])
        or (order and parts[0][1])
    ):
        raise InputError(
            f"these tokens are no item of training: special tokens {order} in this order; give one whole item"
        )
    texts = [text for _, text in parts]
    repository, path = (
        texts[1 + order.index(token)] if token in named else b"" for token in (special.repository, special.file)
    )
    if cut:
        prefix, suffix, middle = texts[-3:]
        rest = prefix + middle + suffix
        if named and with_path and b"\n" not in texts[-4]:  # StarCoder2: the path stands within what is cut
            path, rest = _split(rest)
    elif named and with_path:
        rest = _split(texts[-1])[1]
    else:
        rest = texts[-1]
    return Unfolded(rest, _name(repository), _name(path) if with_path else "", bool(cut), is_ended)


def _parted(ids: npt.NDArray[np.int64], tokenizer: CodeTokenizer) -> list[tuple[int, bytes]]:
    """Return each special token and the bytes up to the next; first -1 and what stands before them all."""
    places = np.flatnonzero(np.isin(ids, list(tokenizer.names.values()))).tolist()
    begins, ends = [0, *(place + 1 for place in places)], [*places, len(ids)]
    tokens = [-1, *(int(ids[place]) for place in places)]
    return [(token, tokenizer.decode(ids[begin:end])) for token, begin, end in zip(tokens, begins, ends, strict=True)]


def _split(text: bytes) -> tuple[bytes, bytes]:
    name, found, rest = text.partition(b"\n")
    if not found:
        raise InputError("these tokens are no item of training: the metadata prefix does not end; give one whole item")
    return name, rest


def _name(text: bytes) -> str:
    return text.partition(b"\n")[0].decode("utf-8", "replace")
