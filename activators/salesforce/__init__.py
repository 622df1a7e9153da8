"""Salesforce: custom fields, collections, Bulk jobs and reads. The only package that speaks its write API."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import httpx

from activators.activation import Activation, Family, Property
from activators.connectors import Connector, Events, Probe
from activators.journal import RecordChanges, Result, Stored
from activators.limits import Usage, Window
from activators.salesforce import bulk, events, fields, records
from activators.salesforce.bulk import Bulk
from activators.salesforce.session import Session, expect, judge, meter
from activators.transport import Caller, understanding

# Salesforce has no burst limit; this keeps us a polite guest beside the org's other integrations.
CALLS, SECONDS = 20, 1.0
RECORDS_PER_CALL = 200
# Two batches at once would wait for each other wherever they hold rows of one parent account.
IN_FLIGHT = 1

# Writing one of these locks the account that it belongs to.
OF_ACCOUNTS = ("Contact", "Opportunity", "Asset")

HOLDS: Mapping[Family, frozenset[str]] = {
    "string": frozenset(
        {
            "string",
            "textarea",
            "picklist",
            "multipicklist",
            "phone",
            "email",
            "url",
            "combobox",
            "reference",
        }
    ),
    "number": frozenset({"double", "int", "long", "currency", "percent"}),
    "boolean": frozenset({"boolean"}),
    "date": frozenset({"date"}),
    "datetime": frozenset({"datetime"}),
}


@dataclass(frozen=True, slots=True)
class Salesforce:
    """A Salesforce org, through a client-credentials app and its integration user."""

    session: Session

    @classmethod
    def connect(
        cls,
        http: httpx.AsyncClient,
        client_id: str,
        client_secret: str,
        limit: Window | None = None,
        day_share: float = 1.0,
    ) -> Salesforce:
        """Use an app on a client whose base URL is the org's My Domain. Sends nothing yet."""
        # Without this header, assignment rules run on every write and change owners. A Bulk job names none.
        http.headers["Sforce-Auto-Assign"] = "FALSE"
        caller = Caller(http, limit or Window(CALLS, SECONDS), judge, meter, "Salesforce", day_share)
        return cls(Session(caller, client_id, client_secret))

    @property
    def caller(self) -> Caller:
        """What sends, and counts the calls."""
        return self.session.caller

    @property
    def jobs(self) -> Bulk:
        """How more records than a few collections hold are written."""
        return Bulk(self.session)

    @property
    def records_per_call(self) -> int:
        """Records in one collection; Salesforce refuses more."""
        return RECORDS_PER_CALL

    @property
    def in_flight(self) -> int:
        """Collections on their way at once."""
        return IN_FLIGHT

    async def update(self, object_type: str, changed: Sequence[RecordChanges]) -> list[Result]:
        """Write up to 200 records. Every record gets exactly one result; locked rows are tried again alone."""
        return await records.update(self.session, object_type, changed)

    async def read(self, object_type: str, record_ids: Sequence[str], properties: Sequence[str]) -> dict[str, Stored]:
        """Read the named fields of up to 200 records, by id; a record that is gone is not in the answer."""
        return await records.read(self.session, object_type, record_ids, properties)

    async def definitions(self, object_type: str) -> dict[str, str]:
        """The type of every field that the integration user can see, by lower-case name."""
        return await fields.definitions(self.session, object_type)

    async def create(self, activation: Activation, missing: Sequence[Property]) -> None:
        """Create the missing custom fields and let the integration user read and edit them."""
        await fields.create(self.session, activation, missing)

    async def probe(self, activation: Activation) -> list[Probe]:
        """Ask whether the integration user may change the object and each of the fields. Writes nothing."""
        return await fields.probe(self.session, activation)

    async def quota(self) -> Usage | None:
        """The org's calls of the last 24 hours."""
        response = await self.session.send("GET", "/limits")
        daily = expect(response, httpx.codes.OK)
        with understanding(response, "Salesforce"):
            limit = daily["DailyApiRequests"]
            return Usage(limit["Max"] - limit["Remaining"], limit["Max"])


def _costs(changed: int) -> int:
    """Calls that so many changed records cost; an estimate where they go by jobs."""
    if changed <= bulk.ABOVE:
        return math.ceil(changed / RECORDS_PER_CALL)
    # A first batch goes alone, and the rest by jobs.
    jobs = math.ceil((changed - RECORDS_PER_CALL) / bulk.ROWS_PER_JOB)
    return 1 + jobs * bulk.CALLS_PER_JOB


CONNECTOR = Connector(
    name="salesforce",
    title="Salesforce",
    address="SALESFORCE_BASE_URL",
    secrets=("SALESFORCE_CLIENT_ID", "SALESFORCE_CLIENT_SECRET"),
    account=("SALESFORCE_BASE_URL",),
    calls=CALLS,
    seconds=SECONDS,
    records_per_call=RECORDS_PER_CALL,
    holds=HOLDS,
    legal_name=re.compile(r"(?!.*___)[A-Za-z](?:[A-Za-z0-9]|_(?!_)){0,39}(?<!_)(?:__c)?"),
    name_rule="a Salesforce custom field is letters, digits and single _ (40 at most), then __c",
    connect=lambda http, settings, limit, day_share: Salesforce.connect(
        http, settings["SALESFORCE_CLIENT_ID"], settings["SALESFORCE_CLIENT_SECRET"], limit, day_share
    ),
    lock_fields=dict.fromkeys(OF_ACCOUNTS, "AccountId"),
    costs=_costs,
    events=Events(
        records_per_call=events.RECORDS_PER_CALL,
        legal_name=re.compile(r".{1,80}"),
        name_rule="the name of an event in Salesforce is a text of up to 80 characters",
        properties=500,
        has_external_id=True,
        creates=False,
        first_calls=0,
        open=lambda account, external_id: events.SalesforceEvents(account.session, external_id or ""),
    ),
)
