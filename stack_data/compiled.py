"""Where numba keeps compiled kernels when neither the package's folder nor the user's cache folder can be written.

numba refuses to load then. A private temporary folder serves one process; what is given up is the compile time saved.
"""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path


def ensure_cache() -> None:
    """Give numba a folder of this process when it would find none. Call before the first kernel is imported."""
    if "NUMBA_CACHE_DIR" in os.environ or _writable(Path(__file__).parent) or _writable(_user_cache()):
        return
    folder = tempfile.mkdtemp(prefix="fairstack-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ["NUMBA_CACHE_DIR"] = folder
    sys.stderr.write(
        "fairstack: nowhere to keep compiled code, so it is compiled for this run alone (half a minute); to keep it, set "
        "NUMBA_CACHE_DIR to a private folder\n"
    )


def _user_cache() -> Path:
    named = os.environ.get("XDG_CACHE_HOME")
    try:
        return Path(named) if named else Path("~/.cache").expanduser()
    except RuntimeError:  # a user without a home
        return Path("/nonexistent")


def _writable(folder: Path) -> bool:
    """Tell whether files can be made in a folder, or the folder itself where it is not there yet."""
    while not folder.exists():
        if folder == folder.parent:
            return False
        folder = folder.parent
    return os.access(folder, os.W_OK)
