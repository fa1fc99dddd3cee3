"""Ed25519 keys and signatures of the files that a builder or a registry publishes.

A signed file is JSON lines whose last line is {"signature": base64}, over every byte before it. A public key is 32 bytes in
base64; its key_id, by which headers name it, is the first 16 hex digits of its SHA-256. The secret key is 32 bytes in base64 in the
environment variable FAIRSTACK_SIGNING_KEY and nowhere else. Signing and checking are the `cryptography` package's.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from stack_data.errors import ConfigError, InputError

SECRET = "FAIRSTACK_SIGNING_KEY"


def new_key() -> tuple[str, str]:
    """Return a fresh (secret key, public key), both in base64."""
    key = Ed25519PrivateKey.generate()
    return _text(key.private_bytes_raw()), _text(key.public_key().public_bytes_raw())


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _raw(text: str, what: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != 32:
        raise ConfigError(f"{what} is no key: 32 bytes in base64 (make one with: fairstack data suppressions new-key)")
    return raw


def public_key(secret: str) -> str:
    """Return the public key of a secret one."""
    return _text(Ed25519PrivateKey.from_private_bytes(_raw(secret, SECRET)).public_key().public_bytes_raw())


def key_id(public: str) -> str:
    """Return the name of a public key; ConfigError when it is none."""
    return hashlib.sha256(_raw(public, f"{public[:60]!r}")).hexdigest()[:16]


def secret_in(environment: Mapping[str, str]) -> str:
    """Return the secret key of this deployment, "" without; ConfigError when it is no key."""
    secret = environment.get(SECRET, "")
    if secret:
        _raw(secret, SECRET)
    return secret


def signed(text: str, secret: str) -> str:
    """Return a text of whole lines with its signature line."""
    key = Ed25519PrivateKey.from_private_bytes(_raw(secret, SECRET))
    return text + json.dumps({"signature": _text(key.sign(text.encode()))}) + "\n"


def check(body: bytes, signature: str, named: str, trusted: Iterable[str], origin: str) -> None:
    """Raise InputError unless `signature` is one of `body` by the trusted key that `named` (a key_id) names."""
    keys = {key_id(one): one for one in trusted}
    if named not in keys:
        known = ", ".join(sorted(keys)) or "none"
        raise InputError(f"{origin}: line 1: key_id {named!r} is not trusted for this issuer (trusted: {known})")
    try:
        raw = base64.b64decode(signature, validate=True)
        Ed25519PublicKey.from_public_bytes(_raw(keys[named], named)).verify(raw, body)
    except (binascii.Error, ValueError, InvalidSignature):
        line = body.count(b"\n") + 1
        raise InputError(
            f"{origin}: line {line}: the signature is not that of key {named} over this file; fetch it again from its issuer"
        ) from None


def _shown(line: bytes) -> str:
    return repr(line[:60].decode("utf-8", "replace"))


def json_line(line: bytes, origin: str, at: int) -> dict[str, Any]:
    """Return the object in a line of a signed file; InputError names the file and the line number `at`."""
    try:
        value = json.loads(line.decode("utf-8"))
    except ValueError:
        raise InputError(f"{origin}: line {at}: is no JSON: {_shown(line)}") from None
    if not isinstance(value, dict):
        raise InputError(f"{origin}: line {at}: is no JSON object: {_shown(line)}")
    return value
