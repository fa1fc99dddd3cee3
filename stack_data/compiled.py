"""Where numba keeps compiled kernels when neither the package's folder nor the user's cache folder can be written.

numba refuses to load then. A private temporary folder serves one process; what is given up is the compile time saved. And who says so when
kernels are compiled, which the first run after an installation or an update does.
"""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

PATIENCE = 1.0
"""Seconds of compiling before it is said."""
_told = False


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


def without_blas() -> None:
    """Let numba's first kernel not import scipy (a sixth of the start) to see whether it has BLAS: no kernel here calls that."""
    name = "scipy.linalg.cython_blas"
    if "numba.np.arraymath" in sys.modules or name in sys.modules:
        return
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        import numba.np.arraymath  # noqa: F401
    finally:
        del sys.modules[name]


def say_when_compiling() -> None:
    """Say once, on standard error, that kernels are compiled, when that takes longer than a moment. Imports numba."""
    global _told
    if _told:
        return
    _told = True
    from numba.core import event

    class Teller(event.Listener):  # type: ignore[misc]
        """Hears when a kernel that is not in the cache is compiled, which may compile others first."""

        begin = 0.0

        def on_start(self, _: Any) -> None:
            self._hear()

        def on_end(self, _: Any) -> None:
            self._hear()

        def _hear(self) -> None:
            now = time.monotonic()
            self.begin = self.begin or now
            if now - self.begin > PATIENCE:
                sys.stderr.write(
                    "fairstack: compiling for this machine, once after an installation: about half a minute\n"
                )
                event.unregister("numba:compile", self)

    event.register("numba:compile", Teller())
