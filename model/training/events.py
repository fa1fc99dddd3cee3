"""TensorBoard event files, written here: scalars only, so that a run needs none of TensorBoard's own packages.

Format: TFRecord frames (length, masked CRC-32C of it, bytes, masked CRC-32C of them) around `Event` messages of TensorBoard's protocol
buffers: wall_time (1, double), step (2, varint), file_version (3), summary (5) with value (1):
tag (1), simple_value (2, float); session_log (7).
"""

from __future__ import annotations

import struct
import time
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from stack_data import storage


class EventFile:
    """One event file of a folder. TensorBoard joins the files of a folder; one that begins at a later step supersedes what came after it."""

    def __init__(self, folder: Path, step: int = 0, name: str = "fairstack") -> None:
        storage.make_folder(folder)
        now = time.time()
        path = folder / f"events.out.tfevents.{int(now * 1000)}.{name}"
        try:
            self._file: BinaryIO = path.open("ab")
        except OSError as error:
            raise storage.refused(path, error) from error
        self._path = path
        self._write(_double(1, now) + _bytes(3, b"brain.Event:2"))
        # A session's start: readers forget events of this step and later ones, which a killed run left.
        self._write(_double(1, now) + _varint_field(2, step + 1) + _bytes(7, _varint_field(1, 1)))

    def add(self, step: int, scalars: Mapping[str, float]) -> None:
        """Append the scalars of a step; StorageError when the disk refuses."""
        values = b"".join(_bytes(1, _bytes(1, tag.encode()) + _float(2, value)) for tag, value in scalars.items())
        self._write(_double(1, time.time()) + _varint_field(2, step) + _bytes(5, values))

    def close(self) -> None:
        """Flush and close."""
        self._file.close()

    def _write(self, message: bytes) -> None:
        length = struct.pack("<Q", len(message))
        try:
            self._file.write(length + _masked(length) + message + _masked(message))
            self._file.flush()
        except OSError as error:
            raise storage.refused(self._path, error) from error


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _varint_field(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _double(number: int, value: float) -> bytes:
    return _varint(number << 3 | 1) + struct.pack("<d", value)


def _float(number: int, value: float) -> bytes:
    return _varint(number << 3 | 5) + struct.pack("<f", value)


def _bytes(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _table() -> list[int]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_TABLE = _table()


def crc32c(data: bytes) -> int:
    """Return the CRC-32C (Castagnoli) of bytes."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def _masked(data: bytes) -> bytes:
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
