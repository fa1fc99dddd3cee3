"""Where code comes from. Each module reads one kind of source; `source.py` says what they have in common."""
