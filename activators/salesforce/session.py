"""A session with a Salesforce org: logging in, what its refusals mean, and the day's calls that are left."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from typing import Any

import httpx

from activators.errors import QuotaExhausted, Unauthorized, VendorError
from activators.limits import Usage
from activators.transport import Again, Caller, retry_after, understanding

VERSION = "v66.0"
_USED = re.compile(r"api-usage=(\d+)/(\d+)")


def judge(response: httpx.Response) -> None:
    """Stop on refused credentials and spent quotas, repeat what may be repeated, let the rest through.

    A 401 passes: the session may only have expired, and a new one is asked for first.
    """
    status = response.status_code
    if status == httpx.codes.FORBIDDEN:
        code, message = first_error(response)
        if code != "REQUEST_LIMIT_EXCEEDED":
            raise Unauthorized(
                f"Salesforce refuses the call (403 {code}): {message}; check the integration user's permissions"
            )
        if "Concurrent" in message:
            raise Again(message)
        raise QuotaExhausted(
            "Salesforce: the org's daily calls are spent; they come back over 24 hours, then run the same command again"
        )
    if status in {httpx.codes.TOO_MANY_REQUESTS, 420}:
        raise Again("too many requests", retry_after(response))
    if status >= httpx.codes.INTERNAL_SERVER_ERROR:
        raise Again(f"HTTP {status}")


def meter(response: httpx.Response) -> Usage | None:
    """How much of the org's calls of the last 24 hours is used."""
    found = _USED.search(response.headers.get("Sforce-Limit-Info", ""))
    return Usage(int(found[1]), int(found[2])) if found else None


@dataclass(slots=True)
class Session:
    """A client-credentials app's session as its integration user; it is begun, and renewed, by the calls."""

    caller: Caller
    client_id: str
    client_secret: str = field(repr=False)
    user_id: str = ""
    _token: str = field(default="", init=False, repr=False)
    _logging_in: asyncio.Lock = field(default_factory=asyncio.Lock, init=False, repr=False)

    async def send(self, method: str, path: str, **request: Any) -> httpx.Response:  # noqa: ANN401  as Caller.send
        """Call the data API. A session that has ended is renewed once; raises Unauthorized when that is of no use."""
        await self._log_in("")
        token, path = self._token, f"/services/data/{VERSION}{path}"
        response = await self.caller.send(method, path, **request)
        if response.status_code == httpx.codes.UNAUTHORIZED:
            # Sessions end after a while, and no answer says when.
            await self._log_in(token)
            response = await self.caller.send(method, path, **request)
            if response.status_code == httpx.codes.UNAUTHORIZED:
                raise Unauthorized("Salesforce refuses a session that it has just given; check the app's run-as user")
        return response

    async def _log_in(self, ended: str) -> None:
        """Log in, unless another call has done so since the session `ended` was in use."""
        async with self._logging_in:
            if self._token != ended:
                return
            response = await self.caller.send(
                "POST",
                "/services/oauth2/token",
                metered=False,
                data={
                    "grant_type": "client_credentials",
                    "client_id": self.client_id,
                    "client_secret": self.client_secret,
                },
            )
            with understanding(response, "Salesforce"):
                session = response.json()
                if response.status_code != httpx.codes.OK:
                    raise Unauthorized(
                        f"Salesforce refuses the app ({session['error_description']}); "
                        "check SALESFORCE_CLIENT_ID and SALESFORCE_CLIENT_SECRET"
                    )
                self._token = session["access_token"]
                self.caller.http.headers["Authorization"] = f"Bearer {self._token}"
                self.user_id = session["id"].rpartition("/")[2]


def expect(response: httpx.Response, status: int) -> Any:  # noqa: ANN401  an object or an array, by the call
    """The body of an answer with the expected status; raises VendorError for any other."""
    refuse_other(response, status)
    with understanding(response, "Salesforce"):
        return response.json()


def refuse_other(response: httpx.Response, *statuses: int) -> None:
    """Raise VendorError for an answer with another status than the expected ones."""
    if response.status_code not in statuses:
        code, message = first_error(response)
        raise VendorError(
            f"Salesforce answers {response.status_code} {code} to {response.request.method} "
            f"{response.request.url.path}: {message}"
        )


def first_error(response: httpx.Response) -> tuple[str, str]:
    """The first error's code and message: an array on most calls, an object on a few, HTML from gateways."""
    try:
        body = response.json()
    except ValueError:
        body = None
    error = body[0] if isinstance(body, list) and body else body
    if not isinstance(error, dict):
        return str(response.status_code), response.reason_phrase
    return str(error.get("errorCode", response.status_code)), str(error.get("message", response.reason_phrase))
