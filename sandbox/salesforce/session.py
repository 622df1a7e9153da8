"""Who calls: tokens, the daily quota, and what every answer carries."""

from __future__ import annotations

import re
import secrets
from collections import deque
from datetime import datetime, timedelta
from urllib.parse import parse_qs

import orjson
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .errors import Refused, not_found, refused
from .org import ORG_ID
from .store import SalesforceStore

TOKEN_LIFE = timedelta(hours=2)
QUOTA_WINDOW = timedelta(hours=24)
LONGEST_HEAD = 16_384  # bytes of address and headers together
OLDEST, NEWEST = 31, 68  # API versions that are still served
_VERSION = re.compile(r"/services/data/v(\d+)\.0(/.*)?")


class Sessions:
    """Tokens handed out and requests counted, by the store's clock."""

    def __init__(self, store: SalesforceStore) -> None:
        self.store = store
        self._tokens: dict[str, tuple[str, datetime]] = {}
        self._refresh: dict[str, str] = {}
        self._requests: deque[datetime] = deque()

    def open(self, user_id: str) -> str:
        """Make a token for a user."""
        token = f"{ORG_ID[:15]}!{secrets.token_urlsafe(48)}"
        self._tokens[token] = (user_id, self.store.clock.now())
        return token

    def allow_refresh(self, refresh_token: str, user_id: str) -> None:
        """Let a token, once, be changed for a session of a user."""
        self._refresh[refresh_token] = user_id

    def refresh(self, refresh_token: str) -> tuple[str | None, str]:
        """Give whose a refresh token is, and the one to use from now on; None if it is unknown or spent."""
        user_id = self._refresh.pop(refresh_token, None)
        fresh = f"5Aep{secrets.token_urlsafe(48)}"
        if user_id is not None:
            self.allow_refresh(fresh, user_id)
        return user_id, fresh

    def user(self, authorization: str | None) -> str:
        """Find who a token belongs to; raises Refused with INVALID_SESSION_ID."""
        scheme, _, token = (authorization or "").partition(" ")
        user_id, opened = self._tokens.get(token, ("", self.store.clock.now()))
        now, ended = self.store.clock.now(), self.store.sessions_ended
        is_over = now - opened >= TOKEN_LIFE or (ended is not None and opened <= ended)
        if scheme.lower() not in ("bearer", "oauth") or not user_id or is_over:
            raise refused("INVALID_SESSION_ID", "Session expired or invalid", status=401)
        return user_id

    def used(self) -> int:
        """Count the data requests of the last 24 hours."""
        start = self.store.clock.now() - QUOTA_WINDOW
        while self._requests and self._requests[0] <= start:
            self._requests.popleft()
        return len(self._requests)

    def spend(self) -> None:
        """Count a request; raises Refused with REQUEST_LIMIT_EXCEEDED once the day's are gone."""
        if self.used() >= self.store.daily_requests:
            raise refused("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", status=403)
        self._requests.append(self.store.clock.now())

    def limit_info(self) -> str:
        """Write the `Sforce-Limit-Info` header."""
        return f"api-usage={self.used()}/{self.store.daily_requests}"


class SessionMiddleware:
    """Admits requests, and stamps answers with the clock's date and the quota used."""

    def __init__(self, app: ASGIApp, sessions: Sessions) -> None:
        self.app = app
        self.sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = scope["path"].rstrip("/") or "/"
        query = parse_qs(scope["query_string"].decode("latin-1"))
        method = query.get("_HttpMethod", [scope["method"]])[0]
        counted = _VERSION.fullmatch(path) is not None

        async def stamped(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Date"] = self.sessions.store.clock.http_date()
                if counted:
                    headers["Sforce-Limit-Info"] = self.sessions.limit_info()
            await send(message)

        state = scope.setdefault("state", {})
        try:
            state["user_id"] = self._admit(scope, path)
        except Refused as refusal:
            await refusal_response(refusal)(scope, receive, stamped)
            return
        await self.app({**scope, "path": path, "method": method}, receive, stamped)

    def _admit(self, scope: Scope, path: str) -> str:
        """Find the user of a request; empty where none is needed."""
        headers = Headers(scope=scope)
        head = len(scope.get("raw_path") or b"") + len(scope["query_string"])
        head += sum(len(name) + len(value) for name, value in headers.raw)
        if head > LONGEST_HEAD:
            raise refused("URI_TOO_LONG", "URI and headers exceed 16,384 bytes", status=414)
        match = _VERSION.fullmatch(path)
        if match is None:
            if path.startswith("/id/") or path == "/services/oauth2/userinfo":
                return self.sessions.user(headers.get("authorization"))
            return ""
        if int(match[1]) < OLDEST:
            raise refused("GONE", "This API version is retired", status=410)
        if int(match[1]) > NEWEST:
            raise not_found()
        user_id = self.sessions.user(headers.get("authorization"))
        self.sessions.spend()
        return user_id


def json_response(body: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Answer with JSON as Salesforce labels it."""
    return Response(orjson.dumps(body), status, headers, media_type="application/json;charset=UTF-8")


def refusal_response(refusal: Refused) -> Response:
    """Answer with the list of what is wrong."""
    return json_response([one.as_error() for one in refusal.problems], refusal.status)
