"""HTTP calls to a vendor: retried by its rules, and ended with a LoadError that says what to do."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, ParamSpec, TypeVar
from urllib.parse import quote

import orjson
import stamina
from dlt.sources.helpers.requests import Response, Session
from pyrate_limiter import Limiter
from requests import PreparedRequest, Request
from requests.exceptions import RequestException

from loaders.values import LoadError, Refused, Turns, Unreadable

RETRYING = stamina.RetryingCaller(attempts=6, timeout=None, wait_initial=0.2, wait_jitter=0.2)
CONNECT_SECONDS = 10
# Longer than the slowest vendor's own limit (Pendo gives up after five minutes).
READ_SECONDS = 330
READ_BYTES = 1 << 20
MESSAGE_LENGTH = 200

P = ParamSpec("P")
T = TypeVar("T")

# stamina reports each retry on its logger, which would print to the screen without a handler.
logging.getLogger("stamina").addHandler(logging.NullHandler())

# Judge(response) says how long to wait before trying again (True: the usual back-off), or False
# when trying again is no use, or raises the LoadError that ends the load.
Judge = Callable[[Response], float | bool]
Authorise = Callable[[PreparedRequest], PreparedRequest]


@dataclass(frozen=True, slots=True)
class Answer:
    """A vendor's answer: the JSON body, and when it was given by the vendor's own clock."""

    body: Any
    at: datetime
    call: str = ""

    def value(self, key: str) -> Any:  # noqa: ANN401 any JSON value
        """Give what stands under a key; Unreadable if nothing does."""
        try:
            return self.body[key]
        except (KeyError, TypeError) as error:
            raise Unreadable(f"{self.call} gave an answer without {key}: is that the API's address?") from error

    def rows(self, key: str = "results") -> list[dict[str, Any]]:
        """Give the list under a key; Unreadable if there is none."""
        rows: list[dict[str, Any]] = self.value(key)
        return rows


class _AgainError(Exception):
    """An answer, or none, after which the same call may succeed."""

    def __init__(self, message: str, wait: float | bool) -> None:  # noqa: FBT001 stamina's own type
        super().__init__(message)
        self.wait = wait


@dataclass(frozen=True, slots=True)
class Vendor:
    """A vendor's API at one base URL."""

    name: str
    base_url: str
    authorise: Authorise = field(repr=False)
    judge: Judge
    secrets: tuple[str, ...] = field(repr=False)
    turns: Turns | None = field(default=None, repr=False)
    session: Session = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "session", _session(self.base_url))

    def get(self, path: str, limiter: Limiter | None = None, **params: object) -> Answer:
        """Read a path below the base URL."""
        return self.send(self.prepared("GET", path, params=params), limiter)

    def post(self, path: str, body: object, limiter: Limiter | None = None) -> Answer:
        """Post a JSON body; for calls that only read, as they are repeated on failure."""
        return self.send(self.prepared("POST", path, data=orjson.dumps(body)), limiter)

    def submit(self, path: str, form: Mapping[str, str]) -> Answer:
        """Post a form, as token endpoints want it."""
        return self.send(self.prepared("POST", path, data=form))

    def document(self, path: str, **params: object) -> Response:
        """Read a path that answers with something else than JSON, such as CSV."""
        return self._retried(self._response, self.prepared("GET", path, "*/*", params=params), None)

    def prepared(self, method: str, path: str, accept: str = "application/json", **content: Any) -> PreparedRequest:  # noqa: ANN401
        """Make a call to send, once or for each page: quoting a long address takes longer than sending it."""
        headers = {"Accept": accept}
        if isinstance(content.get("data"), bytes):
            headers["Content-Type"] = "application/json"
        url = f"{self.base_url.rstrip('/')}{path}"
        try:
            return self.session.prepare_request(Request(method, url, headers, **content))
        except RequestException as error:
            raise LoadError(self._clean(self._silent)) from error

    def send(self, request: PreparedRequest, limiter: Limiter | None = None) -> Answer:
        """Make a call; LoadError if it fails, or if the answer is not JSON."""
        return self._retried(self._once, request, limiter)

    def _retried(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return RETRYING(_wait, call, *args, **kwargs)
        except _AgainError as error:
            raise LoadError(self._clean(str(error))) from error

    def _once(self, request: PreparedRequest, limiter: Limiter | None) -> Answer:
        response = self._response(request, limiter)
        call = f"{request.method} {str(request.url).partition('?')[0]}"
        try:
            at = parsedate_to_datetime(response.headers["Date"])
            return Answer(orjson.loads(response.content), at, call)
        except (KeyError, ValueError) as error:
            raise LoadError(f"{call} gave an answer that is not JSON: is that the API's address?") from error

    def _response(self, request: PreparedRequest, limiter: Limiter | None) -> Response:
        if limiter:
            limiter.try_acquire(self.name)
        try:
            with self.turns.turn_in_thread() if self.turns else nullcontext():
                # Each time anew, as a token may be another one by now.
                # dlt's session has no types.
                send: Callable[..., Response] = self.session.send
                response = send(self.authorise(request.copy()), stream=True)
                # requests itself reads ten kilobytes at a time, and a page of records has hundreds.
                response._content = b"".join(response.iter_content(READ_BYTES))  # noqa: SLF001 - where `content` looks
        except RequestException as error:
            raise _AgainError(self._silent, wait=True) from error
        if not response.ok:
            path = request.path_url.partition("?")[0]
            said = f"{self.name} answered {response.status_code} to {request.method} {path}"
            if message := vendor_message(response):
                said = f"{said}: {message}"
            try:
                wait = self.judge(response)
            except LoadError as error:
                raise type(error)(self._clean(str(error))) from None
            if wait is not False:
                raise _AgainError(f"{said}; load again later", wait)
            raise Refused(self._clean(said))
        return response

    @property
    def _silent(self) -> str:
        return f"{self.name} does not answer at {self.base_url}: check the address and the network"

    def _clean(self, message: str) -> str:
        for secret in filter(None, self.secrets):
            message = message.replace(secret, "…")
        return message


def _session(base_url: str) -> Session:
    """Make a session that reads the environment's proxies and certificates once, not for each call."""
    session = Session(timeout=(CONNECT_SECONDS, READ_SECONDS), raise_for_status=False)
    found = session.merge_environment_settings(base_url, {}, None, None, None)
    session.proxies, session.verify, session.cert = found["proxies"], found["verify"], found["cert"]
    session.trust_env = False
    return session


def following(request: PreparedRequest, parameter: str, value: str) -> PreparedRequest:
    """Make the call for the next page of a prepared one."""
    one = request.copy()
    one.url = f"{one.url}{'&' if '?' in str(one.url) else '?'}{parameter}={quote(value, safe='')}"
    return one


def header(name: str, value: str) -> Authorise:
    """Authorise requests by one header; being `auth`, it also keeps a ~/.netrc out of the way."""

    def authorise(request: PreparedRequest) -> PreparedRequest:
        request.headers[name] = value
        return request

    return authorise


def retry_after(response: Response) -> float | None:
    """Read how many seconds the vendor asks us to wait, if it says."""
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isdigit() else None


def vendor_body(response: Response) -> Any:  # noqa: ANN401 any JSON value
    """Read an error's JSON body; None when it is not JSON, as from a gateway."""
    try:
        return orjson.loads(response.content)
    except ValueError:
        return None


def vendor_message(response: Response) -> str:
    """Read what the vendor says went wrong, in one short line; empty if it does not say."""
    body = vendor_body(response)
    first = body[0] if isinstance(body, list) and body else body
    if not isinstance(first, dict):
        return ""
    said = first.get("message") or first.get("error_description") or first.get("error") or ""
    line = " ".join(str(said).split())
    return line if len(line) <= MESSAGE_LENGTH else f"{line[:MESSAGE_LENGTH]}…"


def _wait(error: Exception) -> float | bool:
    return error.wait if isinstance(error, _AgainError) else False
