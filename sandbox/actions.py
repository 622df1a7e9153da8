"""What people and administrators can do in a vendor's own pages, as actions that the control API offers by name.

An action is a function of a store. Its parameters are the arguments that `POST /do/{vendor}/{action}`
takes, with exactly these types; what it gives is the answer. KeyError says that something is not
there, ValueError and the vendors' own refusals that it cannot be.
"""

# ruff: noqa: A002 - arguments are called what the rest of the control API calls them
from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Literal, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError, validate_call
from pydantic import Field as Limited

from sandbox.faults import one_line
from sandbox.hubspot import HubSpotStore
from sandbox.hubspot.consents import SUBSCRIBED, UNSUBSCRIBED, Consent
from sandbox.hubspot.history import PERSON
from sandbox.pendo import PendoStore
from sandbox.salesforce import SalesforceStore
from sandbox.salesforce.rules import DuplicateRule, Flow, FlowFailed, ValidationRule
from sandbox.salesforce.schema import Field, Row

Scalar = str | int | float | bool | None
Values = dict[str, Scalar]
Count = Annotated[int, Limited(ge=1)]
Seconds = Annotated[float, Limited(gt=0, le=60)]
Action = Callable[..., object]


# HubSpot


def create_record(store: HubSpotStore, /, *, object: str, properties: Values) -> object:
    """Make a record as a user would; an email or unique value that is taken is refused."""
    table = store.table(object)
    given = {name: "" if value is None else value for name, value in properties.items()}
    changes, _ = store.check(table, given, normalises=True)
    number = table.next_number()
    store.refuse_taken(table, changes, number, {})
    return {"id": str(store.create(table, number, changes, PERSON, store.now()).number)}


def archive(store: HubSpotStore, /, *, object: str, id: str) -> object:
    """Move a record to the recycle bin."""
    store.delete(object, id)
    return {}


def purge(store: HubSpotStore, /, *, object: str, id: str) -> object:
    """Delete a record for good, as the law asks."""
    table = store.table(object)
    record = table.find(id)
    if record is None:
        raise KeyError(f"HubSpot has no {table.kind.name} {id}")
    store.purge(table, record)
    return {}


def lock_type(store: HubSpotStore, /, *, object: str, seconds: Seconds = 2.0) -> object:
    """Refuse writes to a type's records with 423 for some seconds."""
    store.lock(object, seconds)
    return {}


def require(
    store: HubSpotStore,
    /,
    *,
    object: str,
    name: str,
    condition: str | None = None,
    value: str = "",
) -> object:
    """Want a property filled: on create, or whenever the property `condition` has a value."""
    store.require(object, name, condition=condition, value=value)
    return {}


def unsubscribe(store: HubSpotStore, /, *, email: str, subscription: int | None = None) -> object:
    """Let a person unsubscribe an address from one kind of email, or from everything."""
    return _consent(store, email, subscription, UNSUBSCRIBED)


def subscribe(store: HubSpotStore, /, *, email: str, subscription: int) -> object:
    """Let a person subscribe an address to one kind of email, perhaps again."""
    return _consent(store, email, subscription, SUBSCRIBED)


def send_webhooks_to(
    store: HubSpotStore, /, *, url: str | None, at_once: Annotated[int, Limited(ge=1, le=100)] = 10
) -> object:
    """Say where webhooks go, or nowhere with null; tells what their signatures are made with."""
    store.webhooks.target_url, store.webhooks.at_once = url, at_once
    return {"app_id": store.webhooks.app_id, "client_secret": store.webhooks.client_secret}


def add_webhook(
    store: HubSpotStore, /, *, event_type: str, property: str | None = None, object_type_id: str | None = None
) -> object:
    """Subscribe to an event, such as contact.creation, or contact.propertyChange of a property."""
    made = store.webhooks.subscribe(event_type, name=property, object_type_id=object_type_id)
    return {"id": made.number}


async def wait_for_webhooks(store: HubSpotStore, /, *, seconds: Seconds = 10.0) -> object:
    """Wait until every webhook is delivered or given up; `lost` counts the events of the latter."""
    done = await asyncio.to_thread(store.webhooks.wait, seconds)
    return {"delivered": done, "lost": store.webhooks.lost}


def _consent(store: HubSpotStore, email: str, subscription: int | None, state: str) -> object:
    address, consents = email.strip().lower(), store.consents
    if subscription is None:
        consents.opt_out(address, store.now(), "EMAIL")
    elif subscription in consents.subscriptions:
        consents.say(address, subscription, Consent(state, store.now(), "EMAIL"))
    else:
        raise KeyError(
            f"HubSpot has no subscription {subscription}: there are {', '.join(map(str, consents.subscriptions))}"
        )
    store.mirror_opt_out(address)
    return {}


# Salesforce


def convert_lead(
    store: SalesforceStore,
    /,
    *,
    id: str,
    account_id: str | None = None,
    contact_id: str | None = None,
    opportunity: bool = False,
) -> object:
    """Make an account, a contact and perhaps an opportunity of a lead, or take ones that exist."""
    return store.convert_lead(id, account_id=account_id, contact_id=contact_id, opportunity=opportunity)


def lock_record(store: SalesforceStore, /, *, object: str, id: str, writes: Count = 1) -> object:
    """Let the next writes of a record fail with UNABLE_TO_LOCK_ROW."""
    store.lock(object, id, writes)
    return {}


def add_validation_rule(
    store: SalesforceStore, /, *, object: str, message: str, when: Values, field: str | None = None
) -> object:
    """Refuse records whose fields have all the values in `when`; `field` is where the message is shown."""
    store.add_validation_rule(ValidationRule(object, message, lambda row, _before: _has(row, when), field))
    return {}


def add_duplicate_rule(  # noqa: PLR0913
    store: SalesforceStore,
    /,
    *,
    object: str,
    name: str,
    fields: list[str],
    action: Literal["block", "alert", "allow"] = "alert",
    message: str = "Use one of these records?",
) -> object:
    """Look for duplicates by some fields."""
    store.add_duplicate_rule(DuplicateRule(object, name, tuple(fields), action, message))
    return {}


def add_flow(
    store: SalesforceStore,
    /,
    *,
    object: str,
    when: Values,
    sets: Values | None = None,
    fails: str | None = None,
) -> object:
    """Before each save of a record that has the values in `when`, set fields, or fail with a message."""
    if (sets is None) is (fails is None):
        raise ValueError("a flow either sets fields or fails")
    store.add_flow(object, _flow(when, sets or {}, fails))
    return {}


def add_formula(  # noqa: PLR0913
    store: SalesforceStore,
    /,
    *,
    object: str,
    name: str,
    label: str,
    sum_of: list[str] | None = None,
    days_since: str | None = None,
) -> object:
    """Add a number that is worked out when it is read: the sum of fields, or the days since a moment."""
    if (sum_of is None) is (days_since is None):
        raise ValueError("a formula is either sum_of fields or days_since one")
    compute = _sum(sum_of) if sum_of is not None else _age(store, days_since or "")
    store.add_formula(object, Field(name, label, "double", precision=18, scale=0), compute)
    return {}


def add_record_type(store: SalesforceStore, /, *, object: str, developer_name: str, label: str) -> object:
    """Give an object one more record type."""
    return {"id": store.add_record_type(object, developer_name, label)}


def add_object(store: SalesforceStore, /, *, name: str, label: str, plural: str) -> object:
    """Make a custom object; its name ends in `__c`."""
    store.add_object(name, label, plural)
    return {}


def track_history(store: SalesforceStore, /, *, object: str, fields: list[str]) -> object:
    """Keep the history of up to 20 fields of an object."""
    store.track_history(object, *fields)
    return {}


def archive_task(store: SalesforceStore, /, *, id: str) -> object:
    """Archive a task: only `queryAll` shows it from then on."""
    store.archive_task(id)
    return {}


def fail_bulk_job(store: SalesforceStore, /, *, after: Annotated[int, Limited(ge=0)]) -> object:
    """Let the next Bulk job that writes fail once it has done so many rows."""
    store.fail_bulk_job(after)
    return {}


def end_sessions(store: SalesforceStore, /) -> object:
    """End every session; a new login works."""
    store.end_sessions()
    return {}


def _has(row: Mapping[str, object], when: Values) -> bool:
    return all(row.get(name) == value for name, value in when.items())


def _flow(when: Values, sets: Values, fails: str | None) -> Flow:
    def flow(row: Row, _before: Row | None) -> Mapping[str, object] | None:
        if not _has(row, when):
            return None
        if fails is not None:
            raise FlowFailed(fails)
        return sets

    return flow


def _sum(names: list[str]) -> Callable[[Row], object]:
    def compute(row: Row) -> object:
        values = [row.get(name) for name in names]
        return float(sum(value for value in values if isinstance(value, int | float)))

    return compute


def _age(store: SalesforceStore, name: str) -> Callable[[Row], object]:
    def compute(row: Row) -> object:
        moment = row.get(name)
        return None if moment is None else float((store.clock.now() - datetime.fromisoformat(str(moment))).days)

    return compute


# Pendo


def edit_metadata(
    store: PendoStore, /, *, kind: Literal["visitor", "account"], id: str, values: Values, group: str = "agent"
) -> object:
    """Change what Pendo knows of a visitor or an account, as the product or a person would."""
    store.edit(kind, id, values, group)
    return {}


def exclude(store: PendoStore, /, *, visitor: str, excluded: bool = True) -> object:
    """Take a visitor out of all processing, or back in."""
    store.exclude(visitor, excluded=excluded)
    return {}


# The registry


def _named(*actions: Action) -> dict[str, Action]:
    config = ConfigDict(strict=True, arbitrary_types_allowed=True)
    return {action.__name__: validate_call(config=config)(action) for action in actions}


ACTIONS: Mapping[str, Mapping[str, Action]] = {
    "hubspot": _named(
        create_record,
        archive,
        purge,
        lock_type,
        require,
        subscribe,
        unsubscribe,
        send_webhooks_to,
        add_webhook,
        wait_for_webhooks,
    ),
    "salesforce": _named(
        convert_lead,
        lock_record,
        add_validation_rule,
        add_duplicate_rule,
        add_flow,
        add_formula,
        add_record_type,
        add_object,
        track_history,
        archive_task,
        fail_bulk_job,
        end_sessions,
    ),
    "pendo": _named(edit_metadata, exclude),
}


async def act(stores: Mapping[str, object], vendor: str, name: str, arguments: Mapping[str, object]) -> object:
    """Do something in a vendor's pages and tell what came of it.

    Raises KeyError for what is not there, ValueError for arguments that make no sense.
    """
    actions = ACTIONS.get(vendor, {})
    if name not in actions:
        raise KeyError(f"{vendor} has no action {name!r}: there are {', '.join(actions) or 'none'}")
    try:
        given = actions[name](stores[vendor], **arguments)
    except ValidationError as error:
        raise ValueError(one_line(error)) from error
    return await given if inspect.isawaitable(given) else given


def list_actions() -> dict[str, dict[str, object]]:
    """Tell of every action: what it does, and its arguments as JSON schemas; those with a default may be left out."""
    return {
        vendor: {
            name: {"does": (action.__doc__ or "").strip(), "arguments": _arguments(action)}
            for name, action in actions.items()
        }
        for vendor, actions in ACTIONS.items()
    }


def _arguments(action: Action) -> dict[str, object]:
    hints = get_type_hints(action, include_extras=True)
    return {
        one.name: TypeAdapter(hints[one.name]).json_schema()
        | ({} if one.default is one.empty else {"default": one.default})
        for one in inspect.signature(action).parameters.values()
        if one.kind is one.KEYWORD_ONLY
    }
