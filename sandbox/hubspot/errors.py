"""What HubSpot answers when it refuses, as exceptions.

    HubSpotError          one refusal: status, message, category and the rest of the envelope
    └── InvalidValues     a 400 for property values; several can be added up to one

The correlation id is added where the answer is sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import orjson

Context = Mapping[str, Sequence[str]]


class HubSpotError(Exception):
    """A refusal with HubSpot's error envelope."""

    def __init__(self, status: int, message: str, category: str | None = None, **rest: object) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.category = category
        self.rest = rest

    def body(self) -> dict[str, object]:
        """Give the envelope without its correlation id."""
        body: dict[str, object] = {"status": "error", "message": self.message, **self.rest}
        if self.category is not None:
            body["category"] = self.category
        return body


@dataclass(frozen=True, slots=True)
class Failure:
    """One property value that was refused."""

    name: str
    code: str
    message: str


class InvalidValues(HubSpotError):
    """Property values that were refused; the message repeats them as JSON, as HubSpot's does."""

    def __init__(self, failures: Iterable[Failure]) -> None:
        self.failures = tuple(failures)
        results = [{"isValid": False, "message": f.message, "error": f.code, "name": f.name} for f in self.failures]
        super().__init__(
            400,
            f"Property values were not valid: {orjson.dumps(results).decode()}",
            "VALIDATION_ERROR",
            errors=[
                {"message": f.message, "code": f.code, "context": {"propertyName": [f.name]}} for f in self.failures
            ],
        )


def invalid(message: str, **rest: object) -> HubSpotError:
    """Refuse a request that makes no sense, with 400 VALIDATION_ERROR."""
    return HubSpotError(400, message, "VALIDATION_ERROR", **rest)


def bad_json(reason: str) -> HubSpotError:
    """Refuse a body that does not parse, or lacks what it must have."""
    return invalid(f"Invalid input JSON on line 1, column 1: {reason}")


def attributes_not_set(what: str, names: Sequence[str]) -> HubSpotError:
    """Refuse a body that leaves out required attributes."""
    listed = ", ".join(names)
    return bad_json(f"Cannot build {what}, some of required attributes are not set [{listed}]")


def not_found(message: str = "resource not found", **rest: object) -> HubSpotError:
    """Answer that there is no such thing, with 404 OBJECT_NOT_FOUND."""
    return HubSpotError(404, message, "OBJECT_NOT_FOUND", **rest)


def conflict(message: str, **rest: object) -> HubSpotError:
    """Answer that the record exists already, with 409 CONFLICT."""
    return HubSpotError(409, message, "CONFLICT", **rest)
