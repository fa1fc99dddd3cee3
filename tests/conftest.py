"""Settings and fixtures that all tests share."""

from __future__ import annotations

from hypothesis import settings

# No timed assertions: machines differ. The same examples everywhere: a failure can be seen again.
settings.register_profile("fairstack", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("fairstack")
