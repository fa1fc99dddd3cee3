"""Which licences are permissive: the Blue Oak Council's list by tier, and what the configuration adds or denies.

Reads the table `blueoak_v15`. An id that is in no allowed tier is not permissive, whatever it says; a
LicenseRef- is permissive only when the configuration allows it by name.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

from stack_data.config import LicenseConfig
from stack_data.errors import ConfigError
from stack_data.licenses import expressions
from stack_data.tables import load_table

RULE_VERSION = 1


@dataclass(frozen=True, slots=True)
class Policy:
    """The allowed licence ids."""

    allowed: frozenset[str]

    def allows(self, license_id: str) -> bool:
        """Return whether one id, or every member of a family, is allowed."""
        members = expressions.FAMILIES.get(license_id)
        if members:
            return all(member in self.allowed for member in members)
        return license_id in self.allowed

    def is_permissive(self, expression: str | None) -> bool:
        """Return whether an expression can be met by allowed licences alone; None (unknown) cannot."""
        return expression is not None and expressions.is_permissive(expression, self.allows)


@functools.cache
def blue_oak_tiers() -> dict[str, frozenset[str]]:
    """Return the SPDX ids of each tier, by its lower-case name."""
    tiers = load_table("blueoak_v15")["tiers"]
    # The list names some ids that SPDX has since replaced; expressions are compared in their current form.
    return {tier["name"].lower(): frozenset(expressions.parse(name) or name for name in tier["ids"]) for tier in tiers}


def policy_of(config: LicenseConfig) -> Policy:
    """Return the policy a configuration describes; ConfigError names an id that is no SPDX id."""
    for name in (*config.allow, *config.deny):
        if expressions.parse(name) != name:
            raise ConfigError(f"license.allow/deny: {name!r} is no current SPDX id and no LicenseRef-...")
    tiers = blue_oak_tiers()
    allowed = frozenset().union(*(tiers[tier] for tier in config.tiers)) | set(config.allow)
    return Policy(frozenset(allowed - set(config.deny)))
