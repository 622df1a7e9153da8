"""A Salesforce of the sandbox behind real HTTP, for the tests of its API."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.clock import Clock
from sandbox.records import SeedRecord
from sandbox.salesforce import SalesforceStore, salesforce_app
from sandbox.salesforce.ids import make_id

DATA = "/services/data/v66.0"
CREATED = datetime(2025, 3, 1, 12, tzinfo=UTC)
UPDATED = datetime(2026, 1, 5, 8, 30, 15, 999_000, tzinfo=UTC)
ACME, GLOBEX = make_id("001", 1), make_id("001", 2)
ANA, BEN, OLD = make_id("003", 1), make_id("003", 2), make_id("003", 3)
SELLER, LEFT = make_id("005", 1), make_id("005", 2)

SEEDS = (
    SeedRecord(
        "User", SELLER, {"Username": "sel@x.example", "LastName": "Seller", "Email": "sel@x.example"}, CREATED, UPDATED
    ),
    SeedRecord(
        "User",
        LEFT,
        {"Username": "left@x.example", "LastName": "Left", "Email": "left@x.example", "IsActive": False},
        CREATED,
        UPDATED,
    ),
    SeedRecord(
        "Account", ACME, {"Name": "Acme", "Product_Account_Id__c": "acme-0001", "OwnerId": SELLER}, CREATED, UPDATED
    ),
    SeedRecord("Account", GLOBEX, {"Name": "Globex", "Website": "globex.example"}, CREATED, UPDATED),
    SeedRecord(
        "Contact",
        ANA,
        {"FirstName": "Ana", "LastName": "Ångström", "Email": "Ana@Acme.example", "AccountId": ACME, "OwnerId": SELLER},
        CREATED,
        UPDATED,
    ),
    SeedRecord("Contact", BEN, {"LastName": "O'Neil", "AccountId": ACME}, CREATED, UPDATED),
    SeedRecord("Contact", OLD, {"LastName": "Gone"}, CREATED, UPDATED, archived=True),
)


@dataclass(frozen=True, slots=True)
class Salesforce:
    """A running org, a client that is logged in, and one that is not."""

    store: SalesforceStore
    clock: Clock
    client: httpx.Client
    stranger: httpx.Client

    def log_in_again(self) -> None:
        """Get a fresh token."""
        token = log_in(self.stranger)["access_token"]
        self.client.headers["Authorization"] = f"Bearer {token}"

    def create(self, object_type: str, **values: object) -> str:
        """Make a record that must be accepted."""
        answer = self.client.post(f"{DATA}/sobjects/{object_type}", json=values)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def refusal(self, object_type: str, **values: object) -> tuple[int, dict[str, object]]:
        """Make a record that is refused, and give the status and the first error."""
        answer = self.client.post(f"{DATA}/sobjects/{object_type}", json=values)
        return answer.status_code, answer.json()[0]

    def read(self, object_type: str, record_id: str) -> dict[str, Any]:
        """Read a record that must be there."""
        answer = self.client.get(f"{DATA}/sobjects/{object_type}/{record_id}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def query(self, text: str, *ids: str, resource: str = "query") -> dict[str, Any]:
        """Run a query that must be accepted; each {} in it is one of the ids."""
        answer = self.client.get(f"{DATA}/{resource}", params={"q": text.format(*ids)})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def patch_rows(self, *rows: dict[str, object], all_or_none: bool = False) -> httpx.Response:
        """Update several records in one call."""
        return self.client.patch(f"{DATA}/composite/sobjects", json={"allOrNone": all_or_none, "records": rows})

    def custom_field(self, full_name: str, **metadata: object) -> httpx.Response:
        """Ask for a custom field."""
        return self.client.post(
            f"{DATA}/tooling/sobjects/CustomField", json={"FullName": full_name, "Metadata": metadata}
        )

    def fields(self, object_type: str) -> dict[str, dict[str, Any]]:
        """Describe the fields that the API user sees, by name."""
        described = self.client.get(f"{DATA}/sobjects/{object_type}/describe").json()
        return {field["name"]: field for field in described["fields"]}

    def grant(self, *fields: str, edit: bool = True) -> str:
        """Make a permission set, give it to the API user, and let it see fields."""
        held = self.create("PermissionSet", Name=f"Set_{len(fields)}", Label="Set")
        user = self.client.get("/services/oauth2/userinfo").json()["user_id"]
        self.create("PermissionSetAssignment", AssigneeId=user, PermissionSetId=held)
        for field in fields:
            self.create(
                "FieldPermissions",
                ParentId=held,
                SobjectType=field.partition(".")[0],
                Field=field,
                PermissionsRead=True,
                PermissionsEdit=edit,
            )
        return held


class _Switch:
    """An app that passes every request to the app of the test that is running."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


@dataclass(frozen=True, slots=True)
class Server:
    """The address, two clients, and the switch to the app of the test that is running."""

    switch: _Switch
    base_url: str
    client: httpx.Client
    stranger: httpx.Client


@pytest.fixture(scope="module")
def salesforce_server() -> Iterator[Server]:
    switch = _Switch()
    listener = socket.create_server(("127.0.0.1", 0))
    # asyncio sets this itself only on sockets that it made; without it each answer waits 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    config = uvicorn.Config(switch, lifespan="off", log_level="warning", date_header=False, access_log=False)
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, args=([listener],))
    thread.start()
    base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with httpx.Client(base_url=base_url) as client, httpx.Client(base_url=base_url) as stranger:
        yield Server(switch, base_url, client, stranger)
    running.should_exit = True
    thread.join()


@pytest.fixture
def salesforce(salesforce_server: Server, request: pytest.FixtureRequest) -> Salesforce:
    clock = Clock(date(2026, 6, 1))
    store = SalesforceStore(SEEDS, clock, **getattr(request, "param", {}))
    salesforce_server.switch.app = salesforce_app(store, "client", "s3cret", salesforce_server.base_url)
    opened = Salesforce(store, clock, salesforce_server.client, salesforce_server.stranger)
    opened.log_in_again()
    return opened


def log_in(client: httpx.Client) -> dict[str, str]:
    answer = client.post(
        "/services/oauth2/token",
        data={"grant_type": "client_credentials", "client_id": "client", "client_secret": "s3cret"},
    )
    assert answer.status_code == 200, answer.text
    found: dict[str, str] = answer.json()
    return found
