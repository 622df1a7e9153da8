"""What can stop an activation. Every message is one line: what, where, and how to mend it.

ActivationError
├── DeclarationError      the manifest declares something that cannot work
├── PlanError             the plan cannot be made, or must not be applied
├── Stopped               a signal ended the run between two batches
└── VendorError           a vendor does not do what was asked
    ├── Unauthorized      401 or 403: the run stops at once
    ├── Unreachable       no answer, after every retry
    ├── QuotaExhausted    the day's calls, or our share of them, are spent: resume tomorrow
    ├── RefusedAlike      record after record is refused for one reason: the model is wrong, or the account
    └── RefusedThroughout a batch is refused, and so are records from all over it
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from activators.journal import Result


class ActivationError(Exception):
    """The root: the command line prints its message and exits with 1."""


class DeclarationError(ActivationError):
    """A declaration in the dbt project is wrong; the message lists each mistake on its own line."""


class PlanError(ActivationError):
    """The plan cannot be made, or must not be applied."""


class Stopped(ActivationError):
    """A signal ended the run after the batches on their way were answered; the same command goes on."""

    def __init__(self, signal: int) -> None:
        super().__init__("stopped; the same command goes on where it stopped")
        self.signal = signal


class VendorError(ActivationError):
    """A vendor refused, or answered what it never should."""


class Unauthorized(VendorError):
    """The vendor does not accept the credentials, or they lack a permission."""


class Unreachable(VendorError):
    """The vendor did not answer, after every retry."""


class QuotaExhausted(VendorError):
    """The account's daily calls, or our share of them, are spent."""


class RefusedAlike(VendorError):
    """Too many records in succession were refused for one and the same reason."""


class RefusedThroughout(VendorError):
    """A batch was refused, and records from all over it were refused alone, alike.

    `results` are of those; of the others nothing was written.
    """

    def __init__(self, code: str, message: str, results: tuple[Result, ...]) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.results = results
