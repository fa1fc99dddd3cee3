"""Opt-out: suppression lists, which places they reach, and how far they spread. `resolve` is the only reader of the rules."""

from stack_data.optout.lists import Entry, SuppressionList
from stack_data.optout.resolve import Places, Resolution, resolve

__all__ = ["Entry", "Places", "Resolution", "SuppressionList", "resolve"]
