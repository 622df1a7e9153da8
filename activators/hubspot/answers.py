"""How HubSpot's answers are read: what stops a run, what is tried again, and the words of a refusal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
import orjson

from activators.errors import QuotaExhausted, Unauthorized, VendorError
from activators.limits import Usage
from activators.transport import Again, retry_after, understanding

# Paths carry a dated version; each is supported for 18 months.
DATED = "2026-09"
BURST_SECONDS = 10.0
_LOCK_SECONDS = 2.0


def judge(response: httpx.Response) -> None:
    """Stop on refused credentials and spent quotas, repeat what may be repeated, let the rest through."""
    status = response.status_code
    if status == httpx.codes.UNAUTHORIZED:
        raise Unauthorized("HubSpot refuses the token (401); check HUBSPOT_ACCESS_TOKEN")
    if status == httpx.codes.FORBIDDEN:
        context = next(iter(body_of(response).get("errors") or [{}])).get("context", {})
        scopes = ", ".join(context.get("requiredGranularScopes", [])) or "those that docs/accounts.md lists"
        raise Unauthorized(f"HubSpot refuses the call (403); grant the app the scopes it lacks: {scopes}")
    if status == httpx.codes.TOO_MANY_REQUESTS:
        message = str(body_of(response).get("message", ""))
        if "daily" in message:
            raise QuotaExhausted(
                "HubSpot: the account's daily calls are spent; run the same command again after midnight, account time"
            )
        own = retry_after(response)
        raise Again(message or "too many requests", BURST_SECONDS if own is None else own)
    if status == httpx.codes.LOCKED:
        raise Again("records are locked by other writes", _LOCK_SECONDS)
    if status >= httpx.codes.INTERNAL_SERVER_ERROR:
        raise Again(f"HTTP {status}")
    if status == 477:  # noqa: PLR2004  HubSpot's own status
        raise VendorError("HubSpot is moving this account to another data centre (477); try again in some hours")


def meter(response: httpx.Response) -> Usage | None:
    """How much of the day's calls the account has used; service keys and searches are not told."""
    daily, left = (response.headers.get(f"X-HubSpot-RateLimit-Daily{kind}", "") for kind in ("", "-Remaining"))
    return Usage(int(daily) - int(left), int(daily)) if daily.isdecimal() and left.isdecimal() else None


def expect(response: httpx.Response, *statuses: int) -> dict[str, Any]:
    """The body of an answer with one of the expected statuses; raises VendorError for any other."""
    body = body_of(response)
    if response.status_code in statuses and not body:
        with understanding(response, "HubSpot"):
            raise ValueError
    if response.status_code not in statuses:
        raise VendorError(
            f"HubSpot answers {response.status_code} to {response.request.method} {response.request.url.path}: "
            f"{message_of(body, response)}"
        )
    return body


def body_of(response: httpx.Response) -> dict[str, Any]:
    """The body of a refusal; gateways answer in HTML, or cut off."""
    try:
        return dict(orjson.loads(response.content))
    except (TypeError, ValueError):
        return {}


def code_of(body: Mapping[str, Any], response: httpx.Response) -> str:
    """HubSpot's own code for a refusal; without one its status."""
    errors = body.get("errors") or [{}]
    return str(errors[0].get("code") or body.get("category") or response.status_code)


def message_of(body: Mapping[str, Any], response: httpx.Response) -> str:
    """HubSpot's own words for a refusal."""
    errors = body.get("errors") or [{}]
    return str(errors[0].get("message") or body.get("message") or response.reason_phrase)
