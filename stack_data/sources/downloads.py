"""Downloads: to a file, resumed by nothing, verified by checksum, with errors that say whether trying again may help."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

import httpx

from stack_data.errors import SourceError, TemporarySourceError
from stack_data.sources.source import SourceContext

TIMEOUT_SECONDS = 60.0
_TEMPORARY = {408, 425, 429, 500, 502, 503, 504}
MAX_BYTES = 2 * 1024**3


def client() -> httpx.Client:
    """Return an HTTP client that follows redirects and gives up in time."""
    return httpx.Client(follow_redirects=True, timeout=TIMEOUT_SECONDS, headers={"User-Agent": "fairstack"})


def get_json(url: str) -> tuple[Any, str]:
    """Return the JSON at a URL and the URL it came from after redirects."""
    try:
        with client() as http:
            response = http.get(url, headers={"Accept": "application/json"})
    except httpx.HTTPError as error:
        raise TemporarySourceError(f"{url}: {error}") from error
    _check(url, response)
    try:
        return response.json(), str(response.url)
    except ValueError as error:
        raise SourceError(f"{url}: the answer is no JSON") from error


def _check(url: str, response: httpx.Response) -> None:
    if response.status_code in _TEMPORARY:
        raise TemporarySourceError(f"{url}: HTTP {response.status_code}")
    if response.status_code >= 400:
        raise SourceError(f"{url}: HTTP {response.status_code}")


def download(
    url: str, folder: Path, context: SourceContext, *, sha256: str | None = None, integrity: str | None = None
) -> Path:
    """Download to `folder`, verify, and return the file.

    integrity: npm's form, `sha512-<base64>`. Raises SourceError when the bytes are not the expected ones.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # Named by what was asked for, so that another URL's download is never taken for it.
    path = folder / f"{hashlib.sha256(url.encode()).hexdigest()[:16]}{Path(httpx.URL(url).path).name[-80:]}"
    if not path.exists():
        _fetch(url, path, min(MAX_BYTES, context.limits.max_unit_bytes))
    try:
        _verify(url, path, sha256, integrity)
    except SourceError:
        path.unlink(missing_ok=True)
        raise
    return path


def _fetch(url: str, path: Path, max_bytes: int) -> None:
    partial = path.with_name(f".{path.name}.tmp")
    size = 0
    try:
        with client() as http, http.stream("GET", url) as response:
            _check(url, response)
            with partial.open("wb") as file:
                for chunk in response.iter_bytes(1 << 20):
                    size += len(chunk)
                    if size > max_bytes:
                        raise SourceError(f"{url}: larger than {max_bytes:,} bytes")
                    file.write(chunk)
    except httpx.HTTPError as error:
        raise TemporarySourceError(f"{url}: {error}") from error
    finally:
        if partial.exists() and size == 0:
            partial.unlink()
    partial.rename(path)


def _verify(url: str, path: Path, sha256: str | None, integrity: str | None) -> None:
    if sha256:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != sha256:
            raise SourceError(f"{url}: SHA-256 is {found}, expected {sha256}")
    if integrity:
        kind, _, expected = integrity.split()[0].partition("-")
        with path.open("rb") as file:
            found = base64.b64encode(hashlib.file_digest(file, kind).digest()).decode()
        if found != expected:
            raise SourceError(f"{url}: {kind} is {found}, expected {expected}")
