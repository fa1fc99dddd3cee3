"""What the verbs of all groups share: their parser, how one is run, text that a terminal only shows, and who shows progress."""

from __future__ import annotations

import argparse
import logging
import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from stack_data.compiled import ensure_cache
from stack_data.errors import FairStackError
from stack_data.progress import Bar, Lines, Progress, Silent


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, with exit code 2."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the command line."""
        self.exit(2, f"{self.prog}: {message}\n(see {self.prog} --help)\n")


def add_verb(verbs: Any, name: str, run: Callable[[argparse.Namespace], int], purpose: str) -> argparse.ArgumentParser:
    """Add a verb to the subparsers `verbs`; return its parser, which has --json."""
    verb: argparse.ArgumentParser = verbs.add_parser(
        name, help=purpose, description=purpose[0].upper() + purpose[1:] + "."
    )
    verb.set_defaults(run=run)
    verb.add_argument("--json", action="store_true", help="print machine-readable results")
    return verb


_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30}


def size_of(text: str) -> int:
    """Return the bytes that an argument such as 4096, 500kB or 2MiB names."""
    found = re.fullmatch(r"(-?[0-9]+) ?([kmg]?i?b|)", text.strip(), re.IGNORECASE)
    if found is None or found[2].lower() not in _UNITS:
        raise argparse.ArgumentTypeError(f"{text!r} is no size; write bytes, or such as 500kB or 2MiB")
    return int(found[1]) * _UNITS[found[2].lower()]


def run_verb(parser: argparse.ArgumentParser, arguments: Sequence[str], stays: str, again: str) -> int:
    """Run the verb that arguments name and return its exit code; errors of the user's making are one line.

    stays: what an unforeseen failure leaves as it was; again: what to do when it was stopped.
    """
    if any(not one or re.fullmatch(r"--[a-z-]+=", one) for one in arguments):
        # As a path it would be the folder we stand in, as a choice what was left out: hardly what was meant.
        parser.error("an argument is empty; was it a variable that is not set?")
    if any(one != one.encode("utf-8", "replace").decode() for one in arguments if not os.path.lexists(one)):
        parser.error("an argument is no text in UTF-8 and no file")
    parsed = parser.parse_args(list(arguments))
    ensure_cache()
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    try:
        return int(parsed.run(parsed))
    except BrokenPipeError:
        # The reader of our output went away; that is its choice.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except FairStackError as error:
        sys.stderr.write(plain(f"fairstack: {error}\n"))
        return error.exit_code
    except OSError as error:
        # What no step foresaw: a full or read-only disk, a file that may not be read.
        where = f": {error.filename}" if error.filename else ""
        sys.stderr.write(plain(f"fairstack: {error.strerror or error}{where}; {stays}\n"))
        return 1
    except KeyboardInterrupt:
        sys.stderr.write(f"\nfairstack: stopped; {again}\n")
        return 130


def out(text: str) -> None:
    """Print text, and a line end, to standard output."""
    sys.stdout.write(plain(text) + "\n")


_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def plain(text: str) -> str:
    """Return text that a terminal only shows: names may hold bytes that are no UTF-8, or escape sequences."""
    readable = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", readable)


def progress_of(arguments: argparse.Namespace) -> Progress:
    """Return who shows the progress of a verb: nobody with --json, a bar on a terminal, lines elsewhere."""
    if arguments.json:
        return Silent()
    return Bar() if sys.stderr.isatty() else Lines()
