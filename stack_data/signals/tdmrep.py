"""`tdmrep.json`: reservations by the TDM Reservation Protocol (W3C community group report).

Pure functions. A list of `{"location", "tdm-reservation": 0 or 1}`; the first rule that reaches a path decides. One such
object alone is taken for a list of one, an object without a location for all paths. A file that is no JSON, but says
`"tdm-reservation": 1`, reserves everything: a comma too many is no permission.
"""

from __future__ import annotations

import json
import logging
import re
import urllib.parse
from typing import Any

from stack_data.signals.locations import Rule
from stack_data.signals.words import head

log = logging.getLogger(__name__)

NAMES = (".well-known/tdmrep.json", "tdmrep.json")
_SAYS_ONE = re.compile(r'"tdm-reservation"\s*:\s*(?:"?1|true)', re.IGNORECASE)


def rules_of(text: str) -> list[Rule]:
    """Return the rules in their order."""
    content = head(text).decode("utf-8", "replace")
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        log.info("tdmrep.json: no JSON")
        return [Rule("", True)] if _SAYS_ONE.search(content) else []
    found = [_rule(one) for one in (value if isinstance(value, list) else [value])]
    return [rule for rule in found if rule]


def _rule(one: Any) -> Rule | None:
    if not isinstance(one, dict):
        return None
    fields = {key.lower(): value for key, value in one.items()}
    said, location = fields.get("tdm-reservation"), fields.get("location", "")
    if not isinstance(location, str) or not isinstance(said, (int, float, str)):
        return None
    return Rule(_path(location), str(said).strip().lower() in ("1", "1.0", "true"))


def _path(location: str) -> str:
    """An address with a host counts for its path."""
    location = location.strip()
    if "://" not in location:
        return location
    try:
        return urllib.parse.urlsplit(location).path
    except ValueError:
        return ""
