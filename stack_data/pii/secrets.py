"""Is a value a secret? What stands for one (placeholders, variables, examples of documentation), what is random, what a
person would choose as a password, and what is a hash, an identifier or words.

Randomness is judged by how often a value changes between lower case, upper case and digits, which needs no model: random letters and
digits do so at 6 of 10 places, hexadecimal digits at 5, words and identifiers at fewer than 3. What it gives up: a random value in letters of
one case alone looks like a word. Values are judged by calls that are written in C, never byte by byte: a file may hold 300,000 of them.
"""

from __future__ import annotations

import functools
import operator
import re

from stack_data.tables import load_table

_VARIABLE = re.compile(
    rb"\$\{|\$\(|\{\{|\{%|#\{|<%|%\(|%s|%[A-Z_]+%|(?<![A-Za-z0-9])\$[A-Za-z_]|^\$\d|^[<\[({].*[>\])}]$|^[<\[{]|\{\w*\}|^@\w+@$|^@\w+/|^ENC[\[(]|^!|^__\w+__$|^%\w*%?$|"
    rb"^&\w|environ|getenv|process\.env|\bvar\.|^arn:|^vault:|^secretsmanager"
)
OWN = re.compile(rb"(?i)redacted_(?:key|password)_\d+")
"""Placeholders of this package (placeholders.py)."""
_UUID = re.compile(rb"[({]?[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}[)}]?")
_DRAWN_UUID = re.compile(rb"[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-4[0-9A-Fa-f]{3}-[89abAB][0-9A-Fa-f]{3}-[0-9A-Fa-f]{12}")
_HASHED = re.compile(
    rb"\$(?:2[abxy]?|1|5|6|y|argon2\w*|apr1|pbkdf2\S*|scrypt)\$|\{S?SHA\d*\}|(?:pbkdf2_|bcrypt|argon2|scrypt|crypt|sha\d*|md5|SHA\d+)[$:_-]"
)
_ENCODED_OTHERS = re.compile(
    rb"MII[A-Za-z0-9]{2}(?:AN|Bg|DA|Ig|IC)|MI[GI][A-Za-z0-9]{1,2}MA0G|AAAA[BEC]3N|LS0tLS1CRUdJTi(?!BQUklWQVRF|BSU0EgUFJJVk|BFQyBQUklW)|iVBOR|R0lGOD|PHN2Z|H4sI|data:"
)
"""The beginnings of public keys, certificates, pictures and compressed data in base64."""
_PIECES = re.compile(rb"[^A-Za-z0-9]+")
_WORDY = re.compile(
    rb"(?:[a-z]*(?:[A-Z][a-z]{2,}){2,}|[a-z]{2,}(?:[A-Z][a-z]{2,})+|[A-Za-z][a-z]{1,}\d{1,3}[a-z]?|[A-Z]?[a-z]{2,}|[A-Z]{2,}|[a-zA-Z]?\d{1,4}|\d{1,2}[a-z]{1,2}|[a-z])"
)
_RUN = re.compile(rb"[A-Z]?[a-z]{4,}")
_NOT_ALNUM = bytes(byte for byte in range(256) if not chr(byte).isascii() or not chr(byte).isalnum())
_CLASSES = bytes(
    48 if 48 <= byte <= 57 else 65 if 65 <= byte <= 90 else 97 if 97 <= byte <= 122 else 33 for byte in range(256)
)
"""A digit as 0, upper case as A, lower case as a, the rest as !."""
_LONG_RUN = re.compile(rb"[A-Z]?[a-z]{6,}|[A-Z]{6,}")
_DJANGO = re.compile(rb"[a-z0-9!@#$%^&*(_=+)-]{50}")
_PATTERN = re.compile(rb"\\|a-z|A-Z|0-9|\(\?[:=!<P]|://|\$\{|\{\{|^<.*>$|::")
"""What a regular expression or an address has."""
_VOWEL = re.compile(rb"[aeiouy]", re.IGNORECASE)
_SIGNS = re.compile(rb"[!@#$%^&*?~+=]")
_PATH = re.compile(rb"://|^[.~]?/|^[A-Za-z]:[\\/]|^[\w-]+(?:/[\w.-]+)+$")
_ENDING = re.compile(rb"\.(?:[a-z]{2,4}|json|yaml|html|properties)$")
_FILE = re.compile(
    rb"\.(?:pem|key|crt|cer|json|ya?ml|txt|py|js|ts|html?|xml|png|jpe?g|svg|css|toml|cfg|ini|conf|sh|java|go|rs|c|h|md)$"
)
_LEET = re.compile(rb"(?<=[A-Za-z])[013457](?=[A-Za-z])")
_VERSIONED = re.compile(rb"(?i)log4j|slf4j|md5|sha1|web3|d3|s3|[vx]\d")
"""Names with a digit in them that stands for no letter."""
_WEAK = re.compile(rb"(?i)test|demo|mock|fake")
_TIME = re.compile(rb"\d{4}-\d\d-\d\d[T ]?")
TYPE = re.compile(rb"_*[a-z]*(?:[A-Z][a-z]+\d{0,4}){3,}[A-Z]?[\d_]*x?")
"""The name of a type, in words."""
_DOTTED = re.compile(rb"[A-Za-z_]\w*(?:(?:\.|::|->)[A-Za-z_]\w*(?:\(\))?)+")
_CODE = re.compile(rb"[(){}\[\]]|\\[wdsnrtbux]|=>|==|=!\d|&&|\|\||%[0-9.]*[sdifxu]\b|\.\*|\[\^|\|")


@functools.cache
def _words(table: str, name: str) -> frozenset[bytes]:
    return frozenset(load_table("pii_words")[table][name].encode().split())


@functools.cache
def _placeholder() -> re.Pattern[bytes]:
    return re.compile(b"|".join(map(re.escape, sorted(_words("values", "placeholder")))))


def is_placeholder(value: bytes, long: bool = False) -> bool:
    """Tell whether a value stands for a secret, or is one that documentation prints. long: chance makes any short word in it."""
    if _VARIABLE.search(value) or OWN.search(value):
        return True
    if b"EXAMPLE" in value or any(one in value for one in _words("values", "documented")):
        return True
    folded = value.lower()
    if not long and len(value) < 200 and _placeholder().search(folded):
        return True
    core = folded.translate(None, _NOT_ALNUM)
    few = len(set(core)) < (5 if len(core) < 6 else min(5, 1 + len(core) // 2))
    return few or core.rstrip(b"0123456789") in _words("values", "whole") or _is_sequence(core)


def _is_sequence(core: bytes) -> bool:
    """Tell whether most of it counts up or down, as 0123456789abcdef does, or whether it repeats itself."""
    steps = list(map(operator.sub, core, core[1:]))
    if len(core) > 5 and steps.count(1) + steps.count(-1) >= 0.6 * len(steps):
        return True
    return len(core) >= 12 and any(core[size:] == core[:-size] for size in range(1, min(17, len(core) // 2 + 1)))


def is_random(value: bytes, least: int = 16) -> bool:
    """Tell whether a value of at least so many letters and digits looks as if it was drawn."""
    core = value.translate(None, _NOT_ALNUM)
    classes = core.translate(_CLASSES)
    digits = classes.count(b"0")
    if len(core) < least or digits < 1 or digits == len(core) or len(set(core)) < 7:
        return False
    if _is_wordy(value):
        return False
    rate = sum(map(operator.ne, classes, classes[1:])) / (len(core) - 1)
    if b"a" in classes and b"A" in classes:
        return rate >= (0.3 if digits >= 3 else 0.4) and sum(map(len, _spoken(core))) < 0.5 * len(core)
    return rate >= (0.17 if len(core) >= 20 else 0.25) and digits >= 2


def _spoken(core: bytes) -> list[bytes]:
    """Return the runs of lower case that may be words."""
    return [run for run in _RUN.findall(core) if _VOWEL.search(run)]


def _is_wordy(value: bytes) -> bool:
    """Tell whether pieces that are words or short numbers make most of a value: a slug, a path, a name of a type."""
    pieces = [piece for piece in _PIECES.split(value) if piece]
    if len(pieces) < 2:
        return False
    wordy = sum(len(piece) for piece in pieces if _WORDY.fullmatch(piece))
    return wordy >= 0.6 * sum(map(len, pieces))


def is_symbolic(value: bytes) -> bool:
    """Tell whether a value was drawn from letters, digits and signs alike, as frameworks make their secret keys."""
    if not 32 <= len(value) <= 160 or not value.isascii() or not value.decode().isprintable() or value.count(b" ") > 6:
        return False
    # Django's alphabet has few signs and no upper case: its keys have a length by which they are known.
    known = _DJANGO.fullmatch(value) is not None
    classes = value.translate(_CLASSES)
    signs = set(value) & set(_NOT_ALNUM) - set(b" _-./\\")
    if len(signs) < (3 if known else 5) or classes.count(b"!") < 0.12 * len(value) or classes.count(b"0") < 2:
        return False
    rate = sum(map(operator.ne, classes, classes[1:])) / (len(value) - 1)
    words = sum(len(run) for run in _LONG_RUN.findall(value) if _VOWEL.search(run))
    if rate < (0.35 if known else 0.45) or words > (0.35 if known else 0.2) * len(value):
        return False
    return not _PATTERN.search(value) and not _is_sequence(value)


def is_drawn_uuid(value: bytes) -> bool:
    """Tell whether a value is a UUID that was drawn (version 4) and is printed by no documentation."""
    return _DRAWN_UUID.fullmatch(value) is not None and not is_placeholder(value)


def is_key(value: bytes, least: int) -> bool:
    """Tell whether a value that a name calls a key is one: random, no hash of a known form, no UUID, nothing public."""
    if _UUID.fullmatch(value) or _HASHED.match(value) or _ENCODED_OTHERS.match(value) or is_placeholder(value):
        return False
    if b" " in value:
        return False
    if (
        b"://" in value
        or b"\\" in value
        or b"&" in value[:-1]
        and b";" in value
        or _FILE.search(value)
        or _DOTTED.fullmatch(value)
        or b"(" in value[:-1]
        and _DOTTED.match(value.partition(b"(")[0])
    ):
        return False
    return is_random(value, least)


def is_password(value: bytes) -> bool:
    """Tell whether a value that a name calls a password is one that somebody chose."""
    if not 6 <= len(value) <= 128 or not value.isascii() or b" " in value or _stands_for_password(value):
        return False
    if _UUID.fullmatch(value) or _HASHED.match(value) or _ENCODED_OTHERS.match(value) or _PATH.search(value):
        return False
    if _FILE.search(value) or _CODE.search(value) or _TIME.match(value):
        return False
    if (_DOTTED.fullmatch(value) or _ENDING.search(value)) and not _digits_for_letters(value):
        return False
    classes = value.translate(_CLASSES)
    letters, digits = classes.count(b"a") + classes.count(b"A"), classes.count(b"0")
    signs = len(_SIGNS.findall(value[:-1]))
    if not letters or not (digits or signs):
        return False
    if signs or b"A" in classes:
        return bool(digits) or letters >= 4
    pieces = [piece for piece in _PIECES.split(value) if piece]
    if len(pieces) > 1 and all(_WORDY.fullmatch(piece) for piece in pieces):
        return digits >= 3 and len(pieces) == 2  # granite-293, but not field-name-2
    return True


def is_passphrase(value: bytes) -> bool:
    """Tell whether a value is words with digits in place of letters: others cannot be told from messages."""
    words = value.split(b" ")
    if not 2 <= len(words) <= 8 or len(value) > 80 or not value.isascii() or not all(words):
        return False
    return _digits_for_letters(value) >= 2 and not _CODE.search(value) and not is_placeholder(value)


def _digits_for_letters(value: bytes) -> int:
    """Return how many digits stand for a letter inside of a word, as in s3cr3t."""
    return len(_LEET.findall(_VERSIONED.sub(b"", value)))


def _stands_for_password(value: bytes) -> bool:
    """Tell whether a value is a placeholder; one with all kinds of characters may hold "test" and be none."""
    if len(value) >= 10 and {*b"0Aa!"} <= set(value.translate(_CLASSES)):
        value = _WEAK.sub(b"", value)
    return is_placeholder(value)
