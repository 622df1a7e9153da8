"""Several requests in one: composite, whose parts may refer to earlier ones, and batch, whose parts may not."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import unquote, urlsplit

import orjson
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message

from .call import Call
from .errors import not_found, refused
from .session import json_response, refusal_response

MOST_PARTS = 25
MOST_QUERIES = 5  # and collections
_REFERENCE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_]*")
_REFERENCE = re.compile(r"@\{([^}]+)\}")
_STEP = re.compile(r"\.?([A-Za-z_]\w*)|\[(\d+)\]")
_ALLOWED = re.compile(r"/services/data/v\d+\.0/(sobjects|query|queryAll|limits|composite/sobjects)(/.*)?")
_COSTLY = re.compile(r"/services/data/v\d+\.0/(query|queryAll|composite/sobjects)(/.*)?")
_SHARED = ("type", "asgi", "http_version", "scheme", "server", "client", "root_path", "app", "state")


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a part was answered."""

    status: int
    body: object
    location: str | None

    @property
    def good(self) -> bool:
        """Whether the part did what was asked."""
        return self.status < HTTPStatus.BAD_REQUEST


_SKIPPED = _Answer(
    HTTPStatus.PRECONDITION_FAILED,
    [{"errorCode": "BATCH_PROCESSING_HALTED", "message": "Batch processing halted"}],
    None,
)


async def composite(call: Call) -> Response:
    """Run up to 25 parts in order; with allOrNone, all or none are kept."""
    body = await call.body()
    parts = _parts(body, "compositeRequest")
    references = [str(part.get("referenceId") or "") for part in parts]
    if len(set(references)) < len(references) or not all(map(_REFERENCE_ID.fullmatch, references)):
        raise refused("INVALID_INPUT", "Each subrequest needs a referenceId of its own, of letters, digits and _")
    if sum(_COSTLY.fullmatch(urlsplit(str(part.get("url"))).path) is not None for part in parts) > MOST_QUERIES:
        raise refused("LIMIT_EXCEEDED", f"Cannot have more than {MOST_QUERIES} query or collection subrequests")
    answers: dict[str, _Answer] = {}
    # Nothing below waits for another request, so that the transaction is this request's alone.
    with call.org.transaction() as roll_back:
        for reference, part in zip(references, parts, strict=True):
            answers[reference] = await _run(call, part, answers)
        if body.get("allOrNone") is True and not all(one.good for one in answers.values()):
            roll_back()
            message = "The transaction was rolled back since another operation in the same transaction failed."
            halted = _halted(message)
            answers = {reference: halted if one.good else one for reference, one in answers.items()}
    return json_response(
        {
            "compositeResponse": [
                {
                    "body": one.body,
                    "httpHeaders": {} if one.location is None else {"Location": one.location},
                    "httpStatusCode": one.status,
                    "referenceId": reference,
                }
                for reference, one in answers.items()
            ]
        }
    )


async def batch(call: Call) -> Response:
    """Run up to 25 independent parts; each counts as a call."""
    body = await call.body()
    answers: list[_Answer] = []
    for part in _parts(body, "batchRequests"):
        call.server.sessions.spend()
        if body.get("haltOnError") is True and not all(one.good for one in answers):
            answers.append(_SKIPPED)
            continue
        url = f"/services/data/{str(part.get('url')).removeprefix('/services/data/')}"
        answers.append(await _send(call, str(part.get("method")), url, part.get("richInput"), {}))
    results = [{"statusCode": one.status, "result": one.body} for one in answers]
    return json_response({"hasErrors": not all(one.good for one in answers), "results": results})


def _parts(body: Mapping[str, object], key: str) -> list[Mapping[str, object]]:
    parts = body.get(key)
    if not isinstance(parts, list) or not parts or not all(isinstance(part, dict) for part in parts):
        raise refused("JSON_PARSER_ERROR", f"{key} must be a list of objects")
    if len(parts) > MOST_PARTS:
        raise refused("LIMIT_EXCEEDED", f"Cannot have more than {MOST_PARTS} subrequests")
    return parts


async def _run(call: Call, part: Mapping[str, object], answers: Mapping[str, _Answer]) -> _Answer:
    """Fill in what a part refers to, then run it."""
    try:
        url = _filled(str(part.get("url")), answers)
        body = _filled(part.get("body"), answers)
    except LookupError as missing:
        return _halted(f"Invalid reference specified. No value for {missing.args[0]}")
    headers = part.get("httpHeaders")
    return await _send(call, str(part.get("method")), str(url), body, headers if isinstance(headers, dict) else {})


def _filled(value: object, answers: Mapping[str, _Answer]) -> object:
    """Put the values in the place of `@{reference.path}`; raises LookupError with the reference."""
    if isinstance(value, dict):
        return {key: _filled(one, answers) for key, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, answers) for one in value]
    if not isinstance(value, str):
        return value
    whole = _REFERENCE.fullmatch(value)
    if whole is not None:
        return _referred(whole[1], answers)
    return _REFERENCE.sub(lambda match: str(_referred(match[1], answers)), value)


def _referred(reference: str, answers: Mapping[str, _Answer]) -> object:
    name = re.match(r"\w+", reference)
    answer = None if name is None else answers.get(name[0])
    if name is None or answer is None or not answer.good:
        raise LookupError(reference)
    value = answer.body
    at = name.end()
    while at < len(reference):
        step = _STEP.match(reference, at)
        if step is None:
            raise LookupError(reference)
        try:
            value = _step(value, step)
        except LookupError:
            raise LookupError(reference) from None
        at = step.end()
    return value


def _step(value: object, step: re.Match[str]) -> object:
    """Go one step into an answer: an item of a list, or a key of an object."""
    if step[2] is not None and isinstance(value, list):
        return value[int(step[2])]
    if step[1] is not None and isinstance(value, dict):
        return value[step[1]]
    raise LookupError(step[0])


def _halted(message: str) -> _Answer:
    return _Answer(400, [{"errorCode": "PROCESSING_HALTED", "message": message}], None)


async def _send(call: Call, method: str, url: str, body: object, headers: Mapping[str, object]) -> _Answer:
    """Run one part as the request that it would be on its own."""
    address = urlsplit(url)
    scope = call.request.scope
    path = unquote(address.path).rstrip("/")
    asked = {
        **{key: scope[key] for key in _SHARED if key in scope},
        "starlette.exception_handlers": scope.get("starlette.exception_handlers", ({}, {})),
        "method": method.upper(),
        "path": path,
        "raw_path": address.path.encode(),
        "query_string": address.query.encode(),
        "headers": [
            (b"content-type", b"application/json"),
            *((key.lower().encode(), str(value).encode()) for key, value in headers.items()),
        ],
    }
    content = b"" if body is None else orjson.dumps(body)
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": content, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    try:
        await _router(call, path)(asked, receive, send)
    except HTTPException as error:
        message = f"HTTP Method '{method}' not allowed"
        refusal = (
            not_found()
            if error.status_code == HTTPStatus.NOT_FOUND
            else refused("METHOD_NOT_ALLOWED", message, status=error.status_code)
        )
        await refusal_response(refusal)(asked, receive, send)
    start, *chunks = sent
    found = b"".join(chunk.get("body", b"") for chunk in chunks)
    location = next((value.decode() for key, value in start["headers"] if key == b"location"), None)
    return _Answer(start["status"], orjson.loads(found) if found else None, location)


def _router(call: Call, path: str) -> ASGIApp:
    """Give what serves a part; some resources are served on their own only."""
    if _ALLOWED.fullmatch(path) is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    router: ASGIApp = call.request.app.router
    return router
