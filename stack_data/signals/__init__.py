"""Standing marks in a repository that say "do not train on this": one module per format, joined by signals.py."""

from stack_data.signals.signals import (
    RULE_VERSION,
    SIGNAL_PATHS,
    Signals,
    candidates,
    is_signal_file,
    reserved,
)

__all__ = ["RULE_VERSION", "SIGNAL_PATHS", "Signals", "candidates", "is_signal_file", "reserved"]
