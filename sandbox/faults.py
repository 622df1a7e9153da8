"""What can go wrong with a request on demand: one frozen class a kind, with its fields and what it does.

A fault says which requests it is for and how often; its kind says what they meet. `times` None is
until it is forgotten. `rate` is the share of fitting requests, drawn from the sandbox's seed and
the fault itself, so that the same ones meet it in every run.
"""

from __future__ import annotations

import random
import re
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sandbox import refusals, spoiling
from sandbox.exchange import Answer, Exchange, answer

VENDORS = ("hubspot", "salesforce", "pendo")
# A plausible start of any vendor's answer, for when there is none to spoil.
_NOTHING = b'{"status":"COMPLETE","results":[]}'


class Fault(BaseModel):
    """What all faults have in common: the requests that they are for.

    `path` is a regular expression found in the path. The first `skip` fitting requests go through;
    of the others the share `rate` meets the fault, `times` of them in all, after `delay` seconds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    vendors: ClassVar[tuple[str, ...]] = VENDORS

    vendor: Literal["hubspot", "salesforce", "pendo"]
    method: str | None = None
    path: str = ""
    skip: int = Field(0, ge=0)
    times: int | None = Field(1, ge=1)
    rate: float = Field(1.0, gt=0, le=1)
    delay: float = Field(0.0, ge=0)

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if self.vendor not in self.vendors:
            raise ValueError(f"only for {' and '.join(self.vendors)}")
        try:
            re.compile(self.path)
        except re.error as error:
            raise ValueError(f"path is no regular expression: {error}") from error
        return self

    def fits(self, vendor: str, method: str, path: str) -> bool:
        """Tell whether a request is one that this fault is for."""
        return self.vendor == vendor and self.method in {None, method} and re.search(self.path, path) is not None

    @abstractmethod
    async def befall(self, exchange: Exchange) -> None:
        """Do to one request what the kind says."""


class Refusal(Fault):
    """A planted answer; with `after` the vendor does the work first, and its own answer is lost."""

    after: bool = False

    @abstractmethod
    def said(self) -> Answer:
        """Give the answer."""

    async def befall(self, exchange: Exchange) -> None:
        """Answer."""
        if self.after:
            await exchange.work()
        await exchange.say(self.said())


class Planted(Refusal):
    """Answer with `status`, `headers` and `body`: text as it is, anything else as JSON."""

    kind: Literal["answer"] = "answer"
    status: int = Field(ge=200, le=599)
    headers: dict[str, str] | None = None
    body: Any = None

    def said(self) -> Answer:
        """Give the answer."""
        headers = {name.lower(): value for name, value in (self.headers or {}).items()}
        if self.body is None or isinstance(self.body, str):
            return answer(self.status, (self.body or "").encode(), headers)
        return answer(self.status, orjson.dumps(self.body), {"content-type": refusals.JSON, **headers})


class RateLimited(Refusal):
    """Too many calls. `limit`: HubSpot's ten_secondly, secondly or daily; Salesforce's concurrent or daily."""

    kind: Literal["rate_limited"]
    limit: str | None = None

    @model_validator(mode="after")
    def _is_known(self) -> Self:
        try:
            self.said()
        except KeyError:
            raise ValueError(f"{self.vendor} has no limit {self.limit}") from None
        return self

    def said(self) -> Answer:
        """Give the answer."""
        return refusals.rate_limited(self.vendor, self.limit)


class QuotaExhausted(Refusal):
    """The day's calls are used up: HubSpot's 429, Salesforce's 403."""

    vendors = ("hubspot", "salesforce")
    kind: Literal["quota_exhausted"]

    def said(self) -> Answer:
        """Give the answer."""
        return refusals.rate_limited(self.vendor, "daily")


class ServerError(Refusal):
    """The vendor fails, in its own words: `status` 500 or 503."""

    kind: Literal["server_error"]
    status: Literal[500, 503] = 500

    def said(self) -> Answer:
        """Give the answer."""
        return refusals.server_error(self.vendor, self.status)


class GatewayError(Refusal):
    """A gateway's page in HTML: `status` 502, 503 or 504."""

    kind: Literal["gateway_error"]
    status: Literal[502, 503, 504] = 502

    def said(self) -> Answer:
        """Give the answer."""
        return refusals.gateway_error(self.status)


class Migrating(Refusal):
    """HubSpot's 477: the account moves to another data centre. `seconds` is its Retry-After."""

    vendors = ("hubspot",)
    kind: Literal["migrating"]
    seconds: int = Field(60, ge=0)

    def said(self) -> Answer:
        """Give the answer."""
        return refusals.migrating(self.seconds)


class Slow(Fault):
    """The real answer, `delay` seconds late and in `chunks` parts with `pause` seconds between them."""

    kind: Literal["slow"] = "slow"
    pause: float = Field(0.0, ge=0)
    chunks: int = Field(4, ge=2)

    @model_validator(mode="after")
    def _is_slow(self) -> Self:
        if not self.delay and not self.pause:
            raise ValueError("it would change nothing: give a kind, delay or pause")
        return self

    async def befall(self, exchange: Exchange) -> None:
        """Answer slowly."""
        if not self.pause:
            await exchange.pass_on()
            return
        said = await exchange.work()
        await exchange.begin(said)
        step = max(1, -(-len(said.body) // self.chunks))
        for start in range(0, len(said.body), step):
            await exchange.say_part(said.body[start : start + step])
            if not await exchange.linger(self.pause):
                return
        await exchange.end()


class Dropped(Fault):
    """The connection ends without an answer; with `after` once the vendor has done the work."""

    kind: Literal["dropped"] = "dropped"
    after: bool = False

    async def befall(self, exchange: Exchange) -> None:
        """Hang up."""
        if self.after:
            await exchange.work()
        await exchange.cut()


class Truncated(Fault):
    """The work is done, and the connection ends half-way through the answer that tells of it."""

    kind: Literal["truncated"]

    async def befall(self, exchange: Exchange) -> None:
        """Send the half of what was promised."""
        said = await exchange.work()
        promised = said if said.body else said.with_body(_NOTHING, 200)
        await exchange.begin(promised)
        await exchange.say_part(promised.body[: len(promised.body) // 2])
        await exchange.cut(after_sending=True)


class Malformed(Fault):
    """A 200 whose body cannot be read: `how` cut or garbled; with `after` the vendor has done the work."""

    kind: Literal["malformed"]
    how: Literal["cut", "garbled"] = "cut"
    after: bool = False

    async def befall(self, exchange: Exchange) -> None:
        """Answer with what is left of the body."""
        said = await exchange.work() if self.after else answer(200, b"", {"Content-Type": refusals.JSON})
        body = said.body or _NOTHING
        spoilt = body[: len(body) // 2] if self.how == "cut" else _garbled(body)
        await exchange.say(said.with_body(spoilt, 200))


class ExpiredToken(Fault):
    """HubSpot does not know the token this time; Salesforce's sessions end for good, until a new login."""

    vendors = ("hubspot", "salesforce")
    kind: Literal["expired_token"]

    async def befall(self, exchange: Exchange) -> None:
        """Let the vendor itself refuse the request."""
        exchange.end_sessions()
        await exchange.pass_on(without=b"authorization" if self.vendor == "hubspot" else b"")


class RowFault(Fault):
    """Some rows of a batch fail: those numbered in `rows` (from 0, the first one by default), or a `share` of them."""

    rows: list[int] | None = None
    share: float | None = Field(None, gt=0, le=1)

    def chosen(self, count: int, drawn: random.Random) -> list[int]:
        """Choose rows."""
        if self.share is not None:
            return [at for at in range(count) if drawn.random() < self.share]
        return [at for at in (self.rows or [0]) if 0 <= at < count]

    async def fail_records(self, exchange: Exchange, code: str, message: str) -> None:
        """Let rows of a Salesforce collection fail, or refuse another request; `{id}` is the record's."""
        if not spoiling.is_batch(self.vendor, exchange.path):
            record = exchange.path.rstrip("/").rpartition("/")[2]
            await exchange.say(refusals.salesforce(400, code, message.replace("{id}", record), fields=True))
            return
        body, query = await exchange.body(), bytes(exchange.scope["query_string"])
        if exchange.method == "DELETE":
            ids = spoiling.ids_of(query)
            chosen = self.chosen(len(ids), exchange.random)
            said = await exchange.work(body=body, query=spoiling.spoil_ids(query, chosen) if chosen else query)
        else:
            parsed, rows = spoiling.rows_of(body, "records")
            ids = [str(row.get("Id") or row.get("id") or "") for row in rows]
            chosen = self.chosen(len(rows), exchange.random)
            said = await exchange.work(body=spoiling.spoil_records(parsed, rows, chosen) if chosen else body)
        if said.status == 200 and chosen:  # noqa: PLR2004 - else it is refused as a whole, for another reason
            said = said.with_body(spoiling.blame(said.body, ids, chosen, code, message))
        await exchange.say(said)


class FailingRows(RowFault):
    """Rows of a batch fail: those numbered in `rows` (from 0, the first one by default), or a `share` of them.

    In a Salesforce collection with `code` and `message`, which refuse a request of another kind. In a
    HubSpot batch as its rules have it: 207 for records that are not there in a read or update, or for
    inputs that have trace ids in a create, else a refusal of the whole.
    """

    vendors = ("hubspot", "salesforce")
    kind: Literal["failing_rows"]
    code: str = "UNKNOWN_EXCEPTION"
    message: str = "An unexpected error occurred."

    def fits(self, vendor: str, method: str, path: str) -> bool:
        """Tell whether a request is one that this fault is for: of HubSpot's, batches alone."""
        return super().fits(vendor, method, path) and (vendor == "salesforce" or spoiling.is_batch(vendor, path))

    async def befall(self, exchange: Exchange) -> None:
        """Let the vendor work on spoilt rows."""
        if self.vendor == "salesforce":
            await self.fail_records(exchange, self.code, self.message)
            return
        body = await exchange.body()
        parsed, rows = spoiling.rows_of(body, "inputs")
        chosen = self.chosen(len(rows), exchange.random)
        if not chosen:
            await exchange.say(await exchange.work(body=body))
            return
        spoilt, stand_ins = spoiling.spoil_inputs(exchange.path, parsed, rows, chosen)
        said = await exchange.work(body=spoilt)
        await exchange.say(said.with_body(spoiling.restore_ids(said.body, stand_ins)))


class Locked(RowFault):
    """HubSpot's 423; in Salesforce UNABLE_TO_LOCK_ROW for one record, or for `rows` or a `share` of a collection."""

    vendors = ("hubspot", "salesforce")
    kind: Literal["locked"]

    async def befall(self, exchange: Exchange) -> None:
        """Refuse as if somebody else were writing."""
        if self.vendor == "hubspot":
            await exchange.say(refusals.locked())
        else:
            message = "unable to obtain exclusive access to this record or 1 records: {id}"
            await self.fail_records(exchange, "UNABLE_TO_LOCK_ROW", message)


KINDS: Mapping[str, type[Fault]] = {
    "answer": Planted,
    "rate_limited": RateLimited,
    "quota_exhausted": QuotaExhausted,
    "server_error": ServerError,
    "gateway_error": GatewayError,
    "migrating": Migrating,
    "slow": Slow,
    "dropped": Dropped,
    "truncated": Truncated,
    "malformed": Malformed,
    "expired_token": ExpiredToken,
    "failing_rows": FailingRows,
    "locked": Locked,
}


def read_fault(body: Mapping[str, object]) -> Fault:
    """Read a fault. Raises ValueError with one line for what makes no sense.

    Without a `kind`, `drop` is a dropped connection, `status` a planted answer, and `delay` a slow one.
    """
    given = dict(body)
    kind = given.get("kind")
    if kind is None:
        kind = (
            "dropped" if given.pop("drop", False) is True else "answer" if given.get("status") is not None else "slow"
        )
    found = KINDS.get(str(kind))
    if found is None:
        raise ValueError(f"no kind {kind}: there are {', '.join(KINDS)}")
    try:
        return found.model_validate({**given, "kind": kind})
    except ValidationError as error:
        raise ValueError(one_line(error)) from error


def list_kinds() -> list[dict[str, object]]:
    """Tell of every kind: what it does, for whom, and its fields beyond those that all faults have."""
    own = Fault.model_fields.keys() | {"kind"}
    return [
        {
            "kind": name,
            "does": (kind.__doc__ or "").strip(),
            "vendors": kind.vendors,
            "fields": [field for field in kind.model_fields if field not in own],
        }
        for name, kind in KINDS.items()
    ]


def one_line(error: ValidationError) -> str:
    """Say the first thing that is wrong, with the name of its field."""
    first = error.errors()[0]
    said = first["msg"].removeprefix("Value error, ")
    return ": ".join(filter(None, (".".join(str(part) for part in first["loc"]), said)))


def _garbled(body: bytes) -> bytes:
    """Put a byte that no text has into every seventh place."""
    spoilt = bytearray(body)
    spoilt[::7] = b"\xff" * len(spoilt[::7])
    return bytes(spoilt)
