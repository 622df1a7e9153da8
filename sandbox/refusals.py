"""What each vendor says when it cannot serve: the bodies that faults answer with.

They read like the vendors' own, which the tests hold against what the stores answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import uuid4

import orjson

from sandbox.exchange import Answer, answer

JSON = "application/json"
HTML = "text/html"
_REASONS = {502: "Bad Gateway", 503: "Service Temporarily Unavailable", 504: "Gateway Time-out"}
# HubSpot's limits by the name that a fault calls them, the first one by default.
HUBSPOT_LIMITS: Mapping[str, tuple[Mapping[str, str], Mapping[str, str]]] = {
    "ten_secondly": (
        {
            "message": "You have reached your ten_secondly_rolling limit.",
            "errorType": "RATE_LIMIT",
            "policyName": "TEN_SECONDLY_ROLLING",
            "groupName": "publicapi:private_app-api-calls-ten-secondly",
        },
        {
            "X-HubSpot-RateLimit-Interval-Milliseconds": "10000",
            "X-HubSpot-RateLimit-Max": "190",
            "X-HubSpot-RateLimit-Remaining": "0",
        },
    ),
    "secondly": ({"message": "You have reached your secondly limit.", "category": "RATE_LIMITS"}, {}),
    "daily": (
        {"message": "You have reached your daily limit.", "errorType": "RATE_LIMIT", "policyName": "DAILY"},
        {"X-HubSpot-RateLimit-Daily-Remaining": "0"},
    ),
}
# Salesforce's, by the first word of the message.
SALESFORCE_LIMITS = {"concurrent": "ConcurrentRequests", "daily": "TotalRequests"}


def hubspot(status: int, said: Mapping[str, object], headers: Mapping[str, str] | None = None) -> Answer:
    """Write HubSpot's envelope."""
    correlation_id = str(uuid4())
    body = {"status": "error", **said, "correlationId": correlation_id}
    given = {"X-HubSpot-Correlation-Id": correlation_id, **(headers or {})}
    return answer(status, orjson.dumps(body), {"Content-Type": f"{JSON};charset=utf-8", **given})


def salesforce(status: int, code: str, message: str, *, fields: bool = False) -> Answer:
    """Write Salesforce's list of one error."""
    error: dict[str, object] = {"message": message, "errorCode": code}
    if fields:
        error["fields"] = []
    return answer(status, orjson.dumps([error]), {"Content-Type": f"{JSON};charset=UTF-8"})


def pendo(status: int, message: str, headers: Mapping[str, str] | None = None) -> Answer:
    """Write Pendo's message."""
    body = orjson.dumps({"code": status, "message": message})
    return answer(status, body, {"Content-Type": JSON, **(headers or {})})


def rate_limited(vendor: str, limit: str | None) -> Answer:
    """Say that there were too many calls; raises KeyError for a limit that the vendor does not have."""
    if vendor == "hubspot":
        said, headers = HUBSPOT_LIMITS[limit or "ten_secondly"]
        return hubspot(429, said, headers)
    if vendor == "salesforce":
        word = SALESFORCE_LIMITS[limit or "concurrent"]
        return salesforce(403, "REQUEST_LIMIT_EXCEEDED", f"{word} Limit exceeded.")
    if limit is not None:
        raise KeyError(limit)
    return pendo(429, "Too many requests", {"Retry-After": "1"})


def server_error(vendor: str, status: int) -> Answer:
    """Say that the vendor itself has failed."""
    if vendor == "hubspot":
        return hubspot(status, {"message": "internal error"})
    if vendor == "salesforce":
        code = "SERVER_UNAVAILABLE" if status == 503 else "UNKNOWN_EXCEPTION"  # noqa: PLR2004
        return salesforce(status, code, "An unexpected error occurred. Please try again.")
    return pendo(status, "Internal server error")


def gateway_error(status: int) -> Answer:
    """Show the page of a gateway that does not reach the vendor."""
    title = f"{status} {_REASONS[status]}"
    page = f"<html>\r\n<head><title>{title}</title></head>\r\n<body><h1>{title}</h1></body>\r\n</html>\r\n"
    return answer(status, page.encode(), {"Content-Type": HTML})


def locked() -> Answer:
    """Say in HubSpot's words that records are locked."""
    message = "Objects are locked. Wait 2 seconds, then try again."
    return hubspot(423, {"message": message, "category": "LOCKED"})


def migrating(seconds: int) -> Answer:
    """Say that a HubSpot account is on its way to another data centre."""
    message = "This account is being migrated between hosting locations."
    return hubspot(477, {"message": message, "category": "MIGRATION_IN_PROGRESS"}, {"Retry-After": str(seconds)})
