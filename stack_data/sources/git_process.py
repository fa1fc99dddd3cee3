"""Running git so that nothing in a repository can run anything.

Commands never see a repository's own configuration, hooks or attributes: they run in an empty repository of ours whose
object store points at the other's objects, with system and user configuration switched off, no prompts, no lazy
fetches, no replace objects, and only the protocols that move data. Values of users stand behind `--`.
"""

from __future__ import annotations

import base64
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from stack_data.errors import SourceError, TemporarySourceError

PROTOCOLS = "file:git:http:https:ssh"
_TEMPORARY = re.compile(
    r"(?i)could not resolve host|timed out|connection (?:reset|refused)|HTTP 5\d\d|HTTP 429|early EOF|remote end hung up"
)


def environment(git_dir: Path | None, secrets: Mapping[str, str], url: str = "") -> dict[str, str]:
    """Return the whole environment git runs in; credentials for `url` are added from `secrets`, never shown."""
    variables = {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "HOME": "/nonexistent",
        "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_SYSTEM": os.devnull, "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ATTR_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "true", "GIT_NO_LAZY_FETCH": "1",
        "GIT_OPTIONAL_LOCKS": "0", "GIT_NO_REPLACE_OBJECTS": "1", "GIT_ALLOW_PROTOCOL": PROTOCOLS,
        "GIT_SSH_COMMAND": "ssh -oBatchMode=yes",
    }  # fmt: skip
    if git_dir is not None:
        variables["GIT_DIR"] = str(git_dir)
    if "SSH_AUTH_SOCK" in secrets:
        variables["SSH_AUTH_SOCK"] = secrets["SSH_AUTH_SOCK"]
    return variables | _credentials(url, secrets)


def _credentials(url: str, secrets: Mapping[str, str]) -> dict[str, str]:
    """FAIRSTACK_GIT_TOKEN_<HOST> (dots and dashes as underscores) is sent to that host alone."""
    host = urlsplit(url).hostname or ""
    token = secrets.get("FAIRSTACK_GIT_TOKEN_" + re.sub(r"[.-]", "_", host).upper()) if host else None
    if not token or urlsplit(url).scheme not in ("https", "http"):
        return {}
    basic = base64.b64encode(f"x-access-token:{token}".encode()).decode()
    scope = f"{urlsplit(url).scheme}://{urlsplit(url).netloc}/"
    return {
        "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": f"http.{scope}.extraHeader",
        "GIT_CONFIG_VALUE_0": f"Authorization: Basic {basic}",
    }  # fmt: skip


def run(
    words: Sequence[str], git_dir: Path | None, secrets: Mapping[str, str], *, url: str = "", timeout: float = 3600
) -> bytes:
    """Run git and return its output; SourceError with git's own last words when it fails."""
    try:
        done = subprocess.run(
            ["git", *words], env=environment(git_dir, secrets, url), capture_output=True, timeout=timeout,
            stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip
    except FileNotFoundError:
        raise SourceError("git is not installed") from None
    except subprocess.TimeoutExpired:
        raise TemporarySourceError(f"git {words[0]} took longer than {timeout:g} s") from None
    if done.returncode:
        told = done.stderr.decode("utf-8", "replace")
        kind = TemporarySourceError if _TEMPORARY.search(told) else SourceError
        raise kind(f"git {words[0]}: {_cause(told) or f'exit {done.returncode}'}")
    return done.stdout


def _cause(told: str) -> str:
    """Return what git says went wrong: its first fatal line and what ssh or the server said just before, no advice."""
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    fatal = next((at for at, line in enumerate(lines) if re.match(r"fatal:|error:", line)), len(lines) - 1)
    return "; ".join(lines[max(0, fatal - 1) : fatal + 1])[:300]


def private_repository(folder: Path, objects: Path, secrets: Mapping[str, str]) -> Path:
    """Return an empty repository of ours at `folder` that reads the objects of another."""
    if not (folder / "HEAD").exists():
        run(["init", "--quiet", "--bare", "--template=", "--", str(folder)], None, secrets)
    text = str(objects.resolve())  # git would read a relative path from the folder of the alternates file
    if "\n" in text:
        raise SourceError(f"{objects}: a line break in the path of a repository")
    (folder / "objects" / "info").mkdir(parents=True, exist_ok=True)
    (folder / "objects" / "info" / "alternates").write_bytes(os.fsencode(text) + b"\n")
    # Shallow clones list where their history ends; without it git would look for parents that are not there.
    shallow = objects.parent / "shallow"
    if shallow.is_file():
        (folder / "shallow").write_bytes(shallow.read_bytes())
    return folder


def check_word(word: str, what: str) -> str:
    """Return a user's value for a git command line; SourceError when git could take it for an option."""
    if word.startswith("-") or "\0" in word or "\n" in word:
        raise SourceError(f"{what} {word!r} cannot be used")
    return word
