"""The errors of the corpus builder, by consequence: what a caller can do about one decides its class.

FairStackError                 shown to the user as one line; exit code 1 unless said otherwise
|-- ConfigError                the configuration or command line is wrong; exit code 2, nothing was started
|-- InputError                 a file or folder the user named cannot be used (missing, corrupt, newer format)
|-- StorageError               the disk refused a write (full, read-only); what was built before stays valid
|-- StaleBuildError            outputs exist that other inputs or another config made; refused, never overwritten
`-- SourceError                one unit of a source cannot be read now; recorded, retried by the next run
    `-- TemporarySourceError   worth another try after a pause (network, rate limit)

A single bad file is no error: it is a Decision with a reason (stack_data/reasons.py).
"""

from __future__ import annotations


class FairStackError(Exception):
    """A failure the user can act on. Its text says what was wrong, the value seen, and what to do next."""

    exit_code = 1


class ConfigError(FairStackError):
    """The configuration or the command line is wrong."""

    exit_code = 2


class InputError(FairStackError):
    """A named file or folder is missing, corrupt, or written by a newer format."""


class StorageError(FairStackError):
    """The disk refused a write. Outputs completed before it stay valid."""


class StaleBuildError(FairStackError):
    """Outputs exist that were made from other inputs, another config or another writer version."""


class SourceError(FairStackError):
    """One unit of a source (a repository, package or archive) cannot be read."""


class TemporarySourceError(SourceError):
    """A unit failed in a way that may pass, such as a timeout or a rate limit."""
