"""How Salesforce refuses.

Refused            an answer of [{message, errorCode, fields?}] with its HTTP status; inside a
└── Unreadable     collection a row of {statusCode, message, fields}. An Unreadable value refuses
                   the whole request, because the body is parsed before any row is looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason of a refusal; `fields` is None where Salesforce leaves the key out."""

    code: str
    message: str
    fields: tuple[str, ...] | None = None
    duplicates: Mapping[str, object] | None = None
    """What a duplicate rule found, told only to a request about one record."""

    def as_error(self) -> dict[str, object]:
        """Write it as the answer to a request about one record."""
        body: dict[str, object] = {"message": self.message, "errorCode": self.code}
        if self.duplicates is not None:
            return {"duplicateResult": self.duplicates, **body}
        return body if self.fields is None else {**body, "fields": list(self.fields)}

    def as_row_error(self) -> dict[str, object]:
        """Write it as the answer for one row of a collection."""
        return {"statusCode": self.code, "message": self.message, "fields": list(self.fields or ())}


class Refused(Exception):
    """A request, or one row of it, that Salesforce does not accept."""

    def __init__(self, problems: Iterable[Problem], status: int = 400) -> None:
        self.problems = tuple(problems)
        self.status = status
        super().__init__("; ".join(f"{p.code}: {p.message}" for p in self.problems))


class Unreadable(Refused):
    """A JSON value that cannot be read as the field's type."""


def refused(code: str, message: str, fields: tuple[str, ...] | None = None, status: int = 400) -> Refused:
    """Make a refusal for one reason."""
    return Refused([Problem(code, message, fields)], status)


def not_found(message: str = "The requested resource does not exist") -> Refused:
    """Make the answer for what is not there."""
    return refused("NOT_FOUND", message, status=404)
