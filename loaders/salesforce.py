"""Salesforce: records with their deleted ones, field definitions and limits, as they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, timedelta
from itertools import chain

import dlt
import pyarrow as pa
from dlt.extract import DltResource
from dlt.sources.helpers.requests import Response
from requests import PreparedRequest

from loaders.calls import Answer, Vendor, vendor_body, vendor_message
from loaders.landing import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    TEXT,
    TIMESTAMP,
    Column,
    Mode,
    Reads,
    Row,
    json_text,
    resource,
    tables,
)
from loaders.values import LoadError, LoadSettings, Wanted

DATA = "/services/data/v66.0"
OBJECTS = ("Contact", "Account", "User")
BASE_FIELDS = (
    "Id",
    "IsDeleted",
    "SystemModstamp",
    "LastModifiedDate",
    "LastModifiedById",
    "CreatedDate",
)
# A transaction stamps its rows when it starts and shows them when it commits.
LOOK_BACK = timedelta(minutes=10)
SERVER_ERROR = 500

TYPES = {
    "boolean": BOOLEAN,
    "int": BIGINT,
    "long": BIGINT,
    "double": DOUBLE,
    "currency": DOUBLE,
    "percent": DOUBLE,
    "date": DATE,
    "datetime": TIMESTAMP,
}
FIELD_COLUMNS = (
    Column("object", TEXT, nullable=False),
    Column("name", TEXT, nullable=False),
    Column("label", TEXT),
    Column("type", TEXT),
    Column("length", BIGINT),
    Column("precision", BIGINT),
    Column("scale", BIGINT),
    Column("digits", BIGINT),
    Column("createable", BOOLEAN),
    Column("updateable", BOOLEAN),
    Column("nillable", BOOLEAN),
    Column("calculated", BOOLEAN),
    Column("restricted_picklist", BOOLEAN, "restrictedPicklist"),
    Column("external_id", BOOLEAN, "externalId"),
    Column("id_lookup", BOOLEAN, "idLookup"),
    Column("unique", BOOLEAN),
    Column("picklist_values", TEXT),
)
LIMIT_COLUMNS = (
    Column("name", TEXT, nullable=False),
    Column("max", BIGINT, "Max"),
    Column("remaining", BIGINT, "Remaining"),
)


@dlt.source(name="salesforce", max_table_nesting=0)
def salesforce(settings: LoadSettings, wanted: Wanted) -> Iterable[DltResource]:
    """Make the resources of a Salesforce load; reads the objects' descriptions at once.

    The descriptions give each column its type, and hold only the fields that the user may see.
    """
    login = Login(settings)
    org = Vendor("Salesforce", login.instance_url, login.authorise, login.judge, login.secrets)
    reads = Reads(f"Salesforce {login.org}")
    objects = tuple(dict.fromkeys([*OBJECTS, *wanted.salesforce, *wanted.salesforce_activated]))
    described = {name: org.get(f"{DATA}/sobjects/{name}/describe") for name in objects}
    for name, answer in described.items():
        activated = dict.fromkeys(wanted.salesforce_activated.get(name, ()), True)
        models = dict.fromkeys([*BASE_FIELDS, *wanted.salesforce.get(name, ())], False)
        yield _records(org, name, _columns(name, models | activated, answer), answer, reads)
    yield _fields(described, reads)
    yield _limits(org, reads)
    yield reads.resource()


class Login:
    """A client's token for one org, taken again when it has expired.

    LoadError if Salesforce refuses the client.
    """

    def __init__(self, settings: LoadSettings) -> None:
        self.secrets = (settings.salesforce_client_id, settings.salesforce_client_secret)
        self._host = Vendor("Salesforce", settings.salesforce_base_url, _no_token, _judge_login, self.secrets)
        self._take_token()

    def _take_token(self) -> None:
        client_id, client_secret = self.secrets
        form = {"grant_type": "client_credentials"}
        form |= {"client_id": client_id, "client_secret": client_secret}
        answer = self._host.submit("/services/oauth2/token", form)
        self._token = answer.value("access_token")
        self.instance_url = answer.value("instance_url")
        # The identity URL ends in /id/<org>/<user>.
        self.org = answer.value("id").rsplit("/", 2)[1]

    def authorise(self, request: PreparedRequest) -> PreparedRequest:
        """Put the token that holds now on a request."""
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request

    def judge(self, response: Response) -> float | bool:
        """Say whether Salesforce's error may pass, and after how many seconds."""
        code = _code(response)
        if response.status_code == 401 and code == "INVALID_SESSION_ID":  # noqa: PLR2004
            self._take_token()
            return 0.0
        if code == "REQUEST_LIMIT_EXCEEDED":
            # The daily and the concurrent limit share a code; only the text tells them apart.
            if "concurrent" in vendor_message(response).lower():
                return True
            raise LoadError("Salesforce's API requests of the last 24 hours are used up: load again later")
        if response.status_code in (401, 403):
            raise LoadError(
                f"Salesforce refused this user ({code}): give the integration user API access and "
                "read access to the objects"
            )
        return response.status_code >= SERVER_ERROR


def _no_token(request: PreparedRequest) -> PreparedRequest:
    return request


def _judge_login(response: Response) -> bool:
    if response.status_code >= SERVER_ERROR:
        return True
    raise LoadError(
        f"Salesforce refused the client ({_code(response)}): check SALESFORCE_BASE_URL, "
        "SALESFORCE_CLIENT_ID and SALESFORCE_CLIENT_SECRET"
    )


def _code(response: Response) -> str:
    """Read the error's code: OAuth answers with an object, REST with a list of errors."""
    body = vendor_body(response)
    first = body[0] if isinstance(body, list) and body else body
    if not isinstance(first, dict):
        return str(response.status_code)
    return str(first.get("errorCode") or first.get("error") or response.status_code)


def _columns(name: str, wanted: Mapping[str, bool], description: Answer) -> dict[Column, bool]:
    """Type the wanted fields, and say of each whether Salesforce has it.

    LoadError if it lacks one that models read; one that activations write may not be there yet.
    """
    # Salesforce and the warehouse both ignore the case of names.
    described = {one["name"].casefold(): one for one in description.rows("fields")}
    columns: dict[Column, bool] = {}
    for field, activated in wanted.items():
        known = described.get(field.casefold())
        if known:
            kind = TYPES.get(known["type"], TEXT)
            columns[Column(known["name"], kind, nullable=field != "Id")] = True
        elif field == "IsDeleted":
            # Users, for one, are never deleted.
            columns[Column(field, BOOLEAN)] = False
        elif activated:
            columns[Column(field, TEXT)] = False
        else:
            raise LoadError(
                f"Salesforce does not show {name}.{field} to the integration user: if the field "
                "exists, grant read access to it (field-level security) in a permission set"
            )
    return columns


def _records(org: Vendor, name: str, columns: Mapping[Column, bool], description: Answer, reads: Reads) -> DltResource:
    """Read what changed since the last load, or everything, deleted records too."""
    kinds = {column.name: f"{column.type}" if has else "missing" for column, has in columns.items()}
    start = reads.start(name, description.at, kinds)
    mode: Mode = "full" if start is None else "incremental"
    fields = ", ".join(column.name for column, has in columns.items() if has)
    query = f"SELECT {fields} FROM {name}"  # noqa: S608 names come from the description
    if start is not None:
        query += f" WHERE SystemModstamp >= {start.astimezone(UTC) - LOOK_BACK:%Y-%m-%dT%H:%M:%SZ}"

    def pages() -> Iterator[Answer]:
        answer = org.get(f"{DATA}/queryAll", q=query)
        yield answer
        while not answer.value("done"):
            answer = org.get(answer.body["nextRecordsUrl"])
            yield answer

    def read() -> Iterator[pa.Table]:
        answers = pages()
        first = next(answers)
        rows = ({"IsDeleted": False} | row for page in chain([first], answers) for row in page.rows("records"))
        yield from tables(rows, tuple(columns), mode)
        reads.finish(name, first.at, mode, kinds)

    return resource(name.lower(), columns, read, mode)


def _fields(described: Mapping[str, Answer], reads: Reads) -> DltResource:
    rows: list[Row] = [
        field
        | {
            "object": name,
            "picklist_values": json_text(
                [value["value"] for value in field.get("picklistValues") or [] if value["active"]]
            ),
        }
        for name, answer in described.items()
        for field in answer.rows("fields")
    ]

    def read() -> Iterator[pa.Table]:
        yield from tables(rows, FIELD_COLUMNS)
        reads.finish("fields", min(answer.at for answer in described.values()), "full")

    return resource("fields", FIELD_COLUMNS, read)


def _limits(org: Vendor, reads: Reads) -> DltResource:
    def read() -> Iterator[pa.Table]:
        answer = org.get(f"{DATA}/limits")
        rows: list[Row] = [limit | {"name": name} for name, limit in answer.body.items()]
        yield from tables(rows, LIMIT_COLUMNS)
        reads.finish("limits", answer.at, "full")

    return resource("limits", LIMIT_COLUMNS, read)
