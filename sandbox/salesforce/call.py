"""One request to the org: who makes it, what it addresses, and how it is answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime

import orjson
from starlette.requests import Request
from starlette.responses import Response

from .errors import Problem, Unreadable, refused
from .org import Org, View
from .queries import Answer
from .saving import Writer
from .schema import Entity
from .session import Sessions
from .store import SalesforceStore

Result = dict[str, object]


@dataclass(frozen=True, slots=True)
class Cursor:
    """A query's answer, kept for the pages to come."""

    answer: Answer
    page: int
    opened: datetime


@dataclass(frozen=True, slots=True)
class Server:
    """What all requests share."""

    store: SalesforceStore
    sessions: Sessions
    client_id: str
    client_secret: str = field(repr=False)
    base_url: str
    certificate: str | None = None
    cursors: dict[str, Cursor] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Call:
    """A request, admitted."""

    server: Server
    request: Request

    @property
    def org(self) -> Org:
        """The org that is asked."""
        return self.server.store.org

    @property
    def user_id(self) -> str:
        """Whose token it carries."""
        return str(self.request.state.user_id)

    @property
    def prefix(self) -> str:
        """The path that this version's addresses start with."""
        return f"/services/data/{self.request.path_params['version']}"

    def path(self, name: str) -> str:
        """Give a part of the address."""
        return str(self.request.path_params[name])

    def required(self, name: str) -> str:
        """Give a parameter that must be there."""
        value = self.request.query_params.get(name)
        if value is None:
            raise refused("MISSING_ARGUMENT", f"The required parameter '{name}' is missing")
        return value

    def http_date(self, header: str) -> datetime | None:
        """Read a header that holds a date; None if it is missing or wrong."""
        text = self.request.headers.get(header)
        try:
            return None if text is None else parsedate_to_datetime(text)
        except ValueError:
            return None

    async def body(self) -> dict[str, object]:
        """Read a JSON object; raises Unreadable."""
        try:
            body = orjson.loads(await self.request.body())
        except orjson.JSONDecodeError as error:
            message = f"{error.msg} at [line:{error.lineno}, column:{error.colno}]"
            raise Unreadable([Problem("JSON_PARSER_ERROR", message)]) from error
        if not isinstance(body, dict):
            raise Unreadable([Problem("JSON_PARSER_ERROR", "The HTTP entity body must be an object")])
        return body

    def view(self, *, deleted: bool = False, tooling: bool = False) -> View:
        """Give the org as the user sees it."""
        prefix = self.prefix + ("/tooling" if tooling else "")
        return View(self.org, self.user_id, prefix, deleted, tooling)

    def addressed(self) -> tuple[View, Entity]:
        """Give the object in the address; raises Refused with NOT_FOUND."""
        view = self.view()
        return view, view.need_entity(self.path("object"))

    def writer(self) -> Writer:
        """Give the user as one who writes."""
        assign = self.request.headers.get("sforce-auto-assign", "TRUE").upper() != "FALSE"
        wishes = self.request.headers.get("sforce-duplicate-rule-header", "").lower().replace(" ", "").split(";")
        allowed, detailed = "allowsave=true" in wishes, "includerecorddetails=true" in wishes
        return Writer(self.org, self.user_id, self.user_id, assign, allowed, detailed)


Endpoint = Callable[[Call], Awaitable[Response]]
