"""What the verbs of `fairstack data` share: their parser, text that a terminal only shows, and who shows progress."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from typing import Any, NoReturn

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
