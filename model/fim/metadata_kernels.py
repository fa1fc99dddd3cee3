"""Kernels of the metadata prefix: the names of a document's repository and file, before its first chunk.

StarCoder:  <reponame>R<filename>P\\n text, and `<fim_prefix>` after the prefix.
StarCoder2: <repo_name>R<file_sep>P\\n text, and `<fim_prefix>` right after `<file_sep>`, so that the path is part of what is cut
(the path itself never is). Either name may be left out; the last one ends with a line feed, which no name may hold. Files that stand
together (model/packing/joining.py) keep the tokens of names that are too long or not known, with nothing in their place.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from model.tokenizer.bpe_kernels import encode_into

_SLASH, _LINE_FEED, _RETURN = 47, 10, 13


@njit(cache=True, nogil=True)  # type: ignore[misc]
def metadata_into(tables, ids, repository, path, most, is_fim, kept, head, lead):  # type: ignore[no-untyped-def]
    """Write the tokens of a prefix; return how many stand before `<fim_prefix>` and how many after it.

    ids: (repository, file, separates_files); repository, path: uint8 of one line each, with its line feed; most: tokens, at least 3;
    kept: (bool, bool), whether the token of the repository's name, and of the file's, stands before a name that is empty too; head, lead:
    room for as many tokens as the names have bytes, and 2. A prefix of more tokens loses the path's first folders, then the repository,
    then the path.
    """
    begin = 0
    while True:
        with_repository, with_path = len(repository) > 1 or kept[0], len(path) - begin > 1 or kept[1]
        num_head, num_lead = 0, 0
        if with_repository:
            head[0] = ids[0]
            num_head = encode_into(tables, repository, 0, len(repository) - (1 if with_path else 0), head, 1)
        if with_path:
            head[num_head] = ids[1]
            num_head += 1
            if ids[2] and is_fim:
                num_lead = encode_into(tables, path, begin, len(path), lead, 0)
            else:
                num_head = encode_into(tables, path, begin, len(path), head, num_head)
        if num_head + num_lead <= most:
            return num_head, num_lead
        folder = _after_slash(path, begin)
        if folder > begin and folder < len(path) - 1:
            begin = folder
        elif len(repository) > 1 and with_path:
            repository = repository[len(repository) - 1 :]
        elif kept[1]:
            begin = len(path) - 1
        else:
            return 0, 0


@njit(cache=True, nogil=True)  # type: ignore[misc]
def _after_slash(path, begin):  # type: ignore[no-untyped-def]
    """Return where the part after the next slash begins; `begin` when there is none."""
    for at in range(begin, len(path)):
        if path[at] == _SLASH:
            return at + 1
    return begin


@njit(cache=True, nogil=True)  # type: ignore[misc]
def line_of(data, bounds, row, is_wanted):  # type: ignore[no-untyped-def]
    """Return name number `row` as a line: uint8[N + 1]; only the line feed when it is not wanted, or no name of one line.

    data: uint8, names one after the other; bounds: int64[I + 1].
    """
    begin, end = bounds[row], bounds[row + 1]
    for at in range(begin, end):
        if data[at] == _LINE_FEED or data[at] == _RETURN:
            is_wanted = False
    if not is_wanted:
        end = begin
    line = np.empty(end - begin + 1, np.uint8)
    for at in range(begin, end):
        line[at - begin] = data[at]
    line[end - begin] = _LINE_FEED
    return line
