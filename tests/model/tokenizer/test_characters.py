from __future__ import annotations

import importlib.util
import random
from pathlib import Path

import numpy as np

from model.tokenizer.characters import NUMBER, SPACE, character_classes

SCRIPT = Path(__file__).parents[3] / "dev/regenerate_tokenizer_classes.py"


def test_the_table_is_what_the_library_does() -> None:
    spec = importlib.util.spec_from_file_location("regenerate_tokenizer_classes", SCRIPT)
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    classes = character_classes()
    points = [one for one in range(0x110000) if not 0xD800 <= one < 0xE000]
    # Every border between classes, and a sample of the rest.
    borders = {one + step for one in (np.flatnonzero(np.diff(classes)) + 1).tolist() for step in (-1, 0)}
    chosen = sorted((borders & set(points)) | set(random.Random(3).sample(points, 20_000)))
    assert made.classes_of(chosen) == classes[chosen].tolist()


def test_white_space_and_numbers_are_the_usual_ones() -> None:
    classes = character_classes()
    assert [one for one in range(128) if classes[one] == SPACE] == [9, 10, 11, 12, 13, 32]
    assert [chr(one) for one in range(128) if classes[one] == NUMBER] == list("0123456789")
