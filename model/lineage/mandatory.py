"""Opt-outs that training must follow: data that is older than a mandatory epoch of a suppression list is refused before a step is made."""

from __future__ import annotations

from collections.abc import Mapping

from model.lineage.record import DataFacts
from stack_data.errors import InputError


def refuse_older(data: DataFacts, mandatory: Mapping[str, int], remedy: str) -> None:
    """Raise InputError when data follows an issuer's list only up to an epoch below the mandatory one, or not at all.

    mandatory: {issuer: least epoch}; remedy: the command that brings the data up to date.
    """
    for issuer, least in sorted(mandatory.items()):
        epoch = data.epochs.get(issuer)
        if epoch is None or epoch < least:
            seen = "follows no list of that issuer" if epoch is None else f"follows epoch {epoch}"
            names = ", ".join(f"{one['name']} {one['version']}" for one in data.releases)
            raise InputError(
                f"{names}: the opt-outs of issuer {issuer!r} are mandatory from epoch {least}, and this data {seen}; bring it up to date "
                f"with: {remedy}"
            )
