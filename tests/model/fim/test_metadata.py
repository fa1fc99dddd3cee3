"""The metadata prefix: both forms, never in pieces, and read back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.fim.inverse import unfim, unfold
from model.fim.transform import fim, metadata, prompt
from model.tokenizer.code_tokenizer import CodeTokenizer
from stack_data.errors import InputError
from tests.model.fim.tokenizers_used import NO_NAMES, STARCODER2, encoded, tokenizer

NAMES = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=20)


def whole(used: CodeTokenizer, text: bytes, repo_name: str, path: str, is_fim: bool) -> list[int]:
    """Put an item together out of the parts that the packer uses."""
    head, lead = metadata(used, repo_name, path, 500, is_fim)
    if not is_fim:
        return [*head, *lead, *encoded(text, used), used.special.end_of_text]
    cut = fim(encoded(text, used), np.uint64(5), used, 0.0).tolist()
    return [*head, cut[0], *lead, *cut[1:]]


@given(NAMES, NAMES, st.binary(max_size=30), st.booleans(), st.sampled_from(["starcoder", "starcoder2"]))
def test_names_and_text_are_read_back(repo_name: str, path: str, text: bytes, is_fim: bool, form: str) -> None:
    used = tokenizer() if form == "starcoder" else tokenizer(1500, STARCODER2)
    found = unfold(whole(used, text, repo_name, path, is_fim), used)
    assert (found.text, found.repo_name, found.path) == (text, repo_name, path)
    assert (found.is_cut, found.is_ended) == (is_fim, True)


def test_starcoder_writes_both_names_and_a_line_feed() -> None:
    used = tokenizer()
    head, lead = metadata(used, "jane/tool", "src/a.py", is_fim=True)
    assert head[0] == used.special.repository
    assert (head == used.special.file).sum() == 1
    assert used.decode(head) == b"jane/toolsrc/a.py\n"
    assert len(lead) == 0


def test_starcoder2_cuts_after_the_separator_and_keeps_the_path_with_the_prefix() -> None:
    used = tokenizer(1500, STARCODER2)
    asked = prompt(used, b"before", b"after", "psm", "jane/tool", "src/a.py")
    special = used.special
    pre = asked.tolist().index(special.fim_prefix)
    assert asked[pre - 1] == special.file
    assert used.decode(asked[:pre]) == b"jane/tool"
    assert used.decode(asked[pre : asked.tolist().index(special.fim_suffix)]) == b"src/a.py\nbefore"


def test_a_prefix_that_is_too_long_loses_folders_then_the_repository_then_all() -> None:
    used = tokenizer(275)  # one byte a token
    path = "one/two/three.py"

    def shown(most: int) -> bytes:
        head, lead = metadata(used, "jane/tool", path, most)
        assert len(head) + len(lead) <= most
        return used.decode(head)

    assert shown(28) == b"jane/toolone/two/three.py\n"
    assert shown(27) == b"jane/tooltwo/three.py\n"
    assert shown(23) == b"jane/toolthree.py\n"
    assert shown(18) == b"three.py\n"
    assert shown(9) == b""


def test_a_name_of_two_lines_is_not_written() -> None:
    used = tokenizer()
    assert used.decode(metadata(used, "jane/tool", "a\nb.py")[0]) == b"jane/tool\n"
    assert len(metadata(used, "a\rb", "")[0]) == 0


def test_the_name_of_a_special_token_in_a_path_is_text() -> None:
    used = tokenizer()
    head, _ = metadata(used, "", "<fim_middle>.py")
    assert used.special.fim_middle not in head
    assert used.decode(head) == b"<fim_middle>.py\n"


def test_a_tokenizer_without_names_writes_none() -> None:
    used = tokenizer(1500, NO_NAMES)
    assert [len(part) for part in metadata(used, "jane/tool", "a.py")] == [0, 0]


@pytest.mark.parametrize("case", ["two", "no middle", "unended name"])
def test_tokens_that_are_no_item_are_refused(case: str) -> None:
    used = tokenizer()
    item = fim(encoded(b"abc def", used), np.uint64(0), used).tolist()
    wrong = {
        "two": item + item,
        "no middle": [one for one in item if one != used.special.fim_middle],
        "unended name": [used.special.file, *encoded(b"a.py", used), used.special.end_of_text],
    }[case]
    with pytest.raises(InputError, match="give one whole item"):
        unfim(wrong, used)
