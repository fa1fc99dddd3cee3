"""One HTTP request, answered within caps on time, bytes and redirects.

Redirects are followed on the same host alone (or from http to https there), at most MAX_HOPS of them, and only where the caller
lets them be followed; any other is returned as the answer it is. Time is capped over the whole exchange, so that a server which
sends a byte now and then holds nobody. Certificates are checked against the system's authorities too, as git does.
"""

from __future__ import annotations

import asyncio
import functools
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import httpx

from stack_data.errors import TemporarySourceError
from stack_data.sources.remote_state import shown

ASK_SECONDS = 30.0
MAX_HOPS = 5
_REDIRECTS = {301, 302, 303, 307, 308}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said. `body` is cut at the asked-for bytes; `cut` says so.

    url       where the answer came from, after redirects
    location  where an answer that is a redirect points; empty for others
    looped    the redirects led in a circle or did not end
    """

    url: httpx.URL
    status: int
    headers: httpx.Headers
    body: bytes
    cut: bool = False
    location: str = ""
    looped: bool = False


def ask(
    url: str, *, method: str = "GET", headers: Mapping[str, str] | None = None, max_bytes: int = 1 << 16,
    seconds: float = ASK_SECONDS, follow: Callable[[httpx.URL], bool] = lambda url: True, proxies: bool = True,
) -> Answer:  # fmt: skip
    """Send a request and return the answer; TemporarySourceError when there is none.

    follow: whether a redirect to this address of the same host is followed. proxies: use those of the environment.
    """

    async def in_time() -> Answer:
        async with asyncio.timeout(seconds):
            return await _exchange(httpx.URL(url), method, dict(headers or {}), max_bytes, seconds, follow, proxies)

    try:
        return asyncio.run(in_time())
    except (TimeoutError, httpx.TimeoutException):
        raise TemporarySourceError(f"no answer within {seconds:g} s") from None
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        raise TemporarySourceError(f"no answer: {shown(str(error)) or type(error).__name__}") from error


async def _exchange(
    url: httpx.URL, method: str, headers: Mapping[str, str], max_bytes: int, seconds: float,
    follow: Callable[[httpx.URL], bool], proxies: bool,
) -> Answer:  # fmt: skip
    # Each step has less time than the whole: a step that gives up closes its connection, one that is cut off may not.
    async with httpx.AsyncClient(timeout=0.8 * seconds, verify=_certificates(), trust_env=proxies) as client:
        seen: set[str] = set()
        while True:
            async with client.stream(method, url, headers={"User-Agent": "git/2.39 fairstack", **headers}) as response:
                target = _target(url, response)
                if target is None or not (same_host(url, target) and follow(target)):
                    body, cut = await _body(response, max_bytes)
                    location = str(target) if target is not None else ""
                    return Answer(url, response.status_code, response.headers, body, cut, location)
                seen.add(str(url))
                if str(target) in seen or len(seen) > MAX_HOPS:
                    return Answer(url, response.status_code, response.headers, b"", False, str(target), looped=True)
                url = target


async def _body(response: httpx.Response, max_bytes: int) -> tuple[bytes, bool]:
    body = b""
    async for chunk in response.aiter_bytes(1 << 16):
        body += chunk
        if len(body) > max_bytes:
            return body[:max_bytes], True
    return body, False


def _target(url: httpx.URL, response: httpx.Response) -> httpx.URL | None:
    """Return where a redirect points, with the credentials of the address that was asked, never with others."""
    location = response.headers.get("location", "")
    if response.status_code not in _REDIRECTS or not location:
        return None
    target = url.join(location)
    username, password = (url.username, url.password) if same_host(url, target) else ("", "")
    return target.copy_with(username=username, password=password, fragment=None)


def same_host(one: httpx.URL, other: httpx.URL) -> bool:
    """Return whether two addresses are of one host and port; https may take the place of http, not the other way round."""
    if one.host != other.host or not one.host:
        return False
    upgraded = (one.scheme, other.scheme) == ("http", "https") and one.port is None and other.port is None
    return upgraded or (one.scheme, one.port) == (other.scheme, other.port)


@functools.cache
def _certificates() -> ssl.SSLContext:
    context = httpx.create_ssl_context()
    context.load_default_certs()
    return context
