"""The `fairstack` command: joins the command groups of the packages, and nothing else.

A group's module is imported only when the group is used, so that help is instant. `stack_data` is also the name of a
small library that IPython uses; when that one is found instead of ours, the command says so and what to do.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

GROUPS = {
    "data": ("stack_data.cli", "build a corpus, release it, explain and verify it"),
    "search": ("stack_data.cli_search", "say whether code is in a corpus, where from, and under which licence"),
    "model": ("model.cli", "train a fill-in-the-middle code model that accounts for its data"),
}
"""Command group -> (module with `main(arguments) -> exit code`, what it is for)."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code: 0 done, 1 failed, 2 usage."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in ("-h", "--help"):
        sys.stdout.write(_help())
        return 0 if words else 2
    if words[0] == "--version":
        sys.stdout.write(f"fairstack {importlib.metadata.version('fairstack')}\n")
        return 0
    if words[0] not in GROUPS:
        sys.stderr.write(f"fairstack: no command group {words[0]!r}; there are: {', '.join(GROUPS)}\n")
        return 2
    clash = _clash()
    if clash:
        sys.stderr.write(f"fairstack: {clash}\n")
        return 1
    module = importlib.import_module(GROUPS[words[0]][0])
    return int(module.main(words[1:]))


def _help() -> str:
    lines = [f"  {name:<8} {purpose}" for name, (_, purpose) in GROUPS.items()]
    return (
        "usage: fairstack GROUP VERB ...\n\nA strictly permissive code corpus, with a reason for every file.\n\n"
        "groups:\n" + "\n".join(lines) + "\n\n`fairstack GROUP --help` lists the verbs of a group.\n"
    )


def _clash() -> str | None:
    """Return what to do when another library of the name `stack_data` is found first."""
    found = importlib.util.find_spec("stack_data")
    if found is None or found.origin is None:
        return "the package stack_data is not installed; install the project with: make setup"
    if not (Path(found.origin).parent / "reasons.py").exists():
        return (
            f"{found.origin} is another library named stack_data (IPython uses it). Install fairstack into an environment "
            "of its own: make setup"
        )
    return None


if __name__ == "__main__":
    sys.exit(main())
