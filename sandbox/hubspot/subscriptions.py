"""Endpoints about communication preferences: version 3's, and version 4's and the dated ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sandbox.hubspot.call import Answer, Call, batch_answer
from sandbox.hubspot.consents import (
    LEGAL_BASES,
    STATES,
    SUBSCRIBED,
    UNSUBSCRIBED,
    Consent,
    Subscription,
)
from sandbox.hubspot.errors import HubSpotError, attributes_not_set, invalid, not_found
from sandbox.hubspot.values import instant, is_email, whole

LARGEST_BATCH = 100
SOURCE = "API"
Body = Mapping[str, object]


def list_definitions(call: Call) -> Answer:
    """GET /communication-preferences/V/definitions."""
    shown = [_definition(one) for one in call.store.consents.subscriptions.values()]
    if call.version == "v3":
        return Answer(200, {"subscriptionDefinitions": shown})
    return batch_answer(call, 200, call.store.now(), shown)


def read_statuses(call: Call) -> Answer:
    """GET /communication-preferences/V/statuses/{email}?channel=EMAIL: one a subscription."""
    _refuse_channel(call.one("channel"))
    return batch_answer(call, 200, call.store.now(), _statuses(call, _address(call.params["email"])))


def write_status(call: Call) -> Answer:
    """POST /communication-preferences/V/statuses/{email}: also back to subscribed."""
    return batch_answer(call, 200, call.store.now(), [_written(call, call.params["email"], call.json())])


def unsubscribe_all(call: Call) -> Answer:
    """POST …/statuses/{email}/unsubscribe-all?channel=EMAIL: shows the statuses if `verbose`."""
    _refuse_channel(call.one("channel"))
    address = _address(call.params["email"])
    _opt_out(call, address)
    return batch_answer(call, 200, call.store.now(), _statuses(call, address) if call.flag("verbose") else [])


def read_unsubscribed_all(call: Call) -> Answer:
    """GET …/statuses/{email}/unsubscribe-all?channel=EMAIL: whether someone is out of everything."""
    _refuse_channel(call.one("channel"))
    return batch_answer(call, 200, call.store.now(), _wide(call, _address(call.params["email"])))


def batch_read(call: Call) -> Answer:
    """POST …/statuses/batch/read?channel=EMAIL, with `inputs` a list of addresses."""
    return _for_each(call, lambda address: {"subscriberIdString": address, "statuses": _statuses(call, address)})


def batch_write(call: Call) -> Answer:
    """POST …/statuses/batch/write: what is wrong with one is told in a 207."""
    started = call.store.now()
    results: list[dict[str, object]] = []
    errors: list[dict[str, object]] = []
    for item in _inputs(call):
        if not isinstance(item, dict):
            raise attributes_not_set("PublicStatusRequest", ["subscriberIdString"])
        try:
            results.append(_written(call, str(item.get("subscriberIdString", "")), item))
        except HubSpotError as refusal:
            context = {"subscriberIdString": [str(item.get("subscriberIdString"))]}
            errors.append({**refusal.body(), "context": context})
    return batch_answer(call, 200, started, results, errors)


def batch_unsubscribe_all(call: Call) -> Answer:
    """POST …/statuses/batch/unsubscribe-all?channel=EMAIL."""

    def opt_out(address: str) -> dict[str, object]:
        _opt_out(call, address)
        shown: dict[str, object] = {"subscriberIdString": address}
        return shown | {"statuses": _statuses(call, address)} if call.flag("verbose") else shown

    return _for_each(call, opt_out)


def batch_read_unsubscribed_all(call: Call) -> Answer:
    """POST …/statuses/batch/unsubscribe-all/read?channel=EMAIL."""
    return _for_each(call, lambda address: {"subscriberIdString": address, "wideStatuses": _wide(call, address)})


def old_statuses(call: Call) -> Answer:
    """GET /communication-preferences/v3/status/email/{email}."""
    address = _address(call.params["email"])
    shown = [_old(call, address, one) for one in call.store.consents.subscriptions.values()]
    return Answer(200, {"recipient": address, "subscriptionStatuses": shown})


def old_subscribe(call: Call) -> Answer:
    """POST /communication-preferences/v3/subscribe: not for someone who unsubscribed."""
    return _old_written(call, SUBSCRIBED)


def old_unsubscribe(call: Call) -> Answer:
    """POST /communication-preferences/v3/unsubscribe."""
    return _old_written(call, UNSUBSCRIBED)


def _old_written(call: Call, state: str) -> Answer:
    body = call.json()
    missing = [name for name in ("emailAddress", "subscriptionId") if not body.get(name)]
    if missing:
        raise attributes_not_set("PublicUpdateSubscriptionStatusRequest", missing)
    address, subscription = _address(str(body["emailAddress"])), _subscription(call, body["subscriptionId"])
    consents = call.store.consents
    if state == SUBSCRIBED and (
        address in consents.opted_out or consents.of(address, subscription.number).state == UNSUBSCRIBED
    ):
        raise invalid("You cannot subscribe an unsubscribed address.")
    _say(call, address, subscription, state, body)
    return Answer(200, _old(call, address, subscription))


def _old(call: Call, address: str, one: Subscription) -> dict[str, object]:
    said = call.store.consents.of(address, one.number)
    wide = address in call.store.consents.opted_out
    return {
        "id": str(one.number),
        "name": one.name,
        "description": one.description,
        "status": "SUBSCRIBED" if said.state == SUBSCRIBED else "NOT_SUBSCRIBED",
        "sourceOfStatus": "PORTAL_WIDE_STATUS" if wide else "SUBSCRIPTION_STATUS",
        "preferenceGroupName": None,
        "legalBasis": said.basis,
        "legalBasisExplanation": said.explanation,
    }


def _written(call: Call, email: str, body: Body) -> dict[str, object]:
    missing = [name for name in ("subscriptionId", "statusState", "channel") if not body.get(name)]
    if missing:
        raise attributes_not_set("PublicStatusRequest", missing)
    _refuse_channel(str(body["channel"]))
    address, subscription = _address(email), _subscription(call, body["subscriptionId"])
    state = str(body["statusState"])
    if state not in STATES:
        raise invalid(f"{state} is not a status: one of {', '.join(STATES)}")
    reason = _say(call, address, subscription, state, body)
    return _status(call, address, subscription) | {"setStatusSuccessReason": reason}


def _say(call: Call, address: str, subscription: Subscription, state: str, body: Body) -> str:
    """Keep a change of status. With data privacy switched on it needs its reasons."""
    consents = call.store.consents
    basis, explanation = (body.get(name) for name in ("legalBasis", "legalBasisExplanation"))
    missing = [name for name in ("legalBasis", "legalBasisExplanation") if not body.get(name)]
    if consents.data_privacy and missing:
        raise attributes_not_set("PublicStatusRequest", missing)
    if basis is not None and basis not in LEGAL_BASES:
        raise invalid(f"{basis} is not a legal basis: one of {', '.join(LEGAL_BASES)}")
    texts = [None if one is None else str(one) for one in (basis, explanation)]
    reason = consents.say(address, subscription.number, Consent(state, call.store.now(), SOURCE, *texts))
    call.store.mirror_opt_out(address)
    return reason


def _opt_out(call: Call, address: str) -> None:
    call.store.consents.opt_out(address, call.store.now(), SOURCE)
    call.store.mirror_opt_out(address)


def _definition(one: Subscription) -> dict[str, object]:
    return {
        "id": str(one.number),
        "name": one.name,
        "description": one.description,
        "purpose": one.purpose,
        "communicationMethod": one.method,
        "isActive": True,
        "isDefault": one.is_default,
        "isInternal": one.is_internal,
        "businessUnitId": 0,
        "createdAt": "2024-05-06T12:00:00Z",
        "updatedAt": "2024-05-06T12:00:00Z",
    }


def _statuses(call: Call, address: str) -> list[dict[str, object]]:
    return [_status(call, address, one) for one in call.store.consents.subscriptions.values()]


def _status(call: Call, address: str, one: Subscription) -> dict[str, object]:
    said = call.store.consents.of(address, one.number)
    return {
        "channel": "EMAIL",
        "subscriberIdString": address,
        "subscriptionId": one.number,
        "subscriptionName": one.name,
        "status": said.state,
        "source": said.source,
        "timestamp": instant(said.at),
        "businessUnitId": 0,
        "legalBasis": said.basis,
        "legalBasisExplanation": said.explanation,
    }


def _wide(call: Call, address: str) -> list[dict[str, object]]:
    at = call.store.consents.opted_out.get(address)
    return [
        {
            "channel": "EMAIL",
            "subscriberIdString": address,
            "status": "SUBSCRIBED" if at is None else UNSUBSCRIBED,
            "wideStatusType": "PORTAL_WIDE",
            "timestamp": instant(at or 0),
            "businessUnitId": 0,
        }
    ]


def _for_each(call: Call, run: Callable[[str], dict[str, object]]) -> Answer:
    _refuse_channel(call.one("channel"))
    started = call.store.now()
    addresses = [_address(str(one)) for one in _inputs(call)]
    return batch_answer(call, 200, started, [run(address) for address in dict.fromkeys(addresses)])


def _inputs(call: Call) -> list[object]:
    inputs = call.json().get("inputs")
    if not isinstance(inputs, list) or not inputs:
        raise attributes_not_set("BatchInput", ["inputs"])
    if len(inputs) > LARGEST_BATCH:
        raise invalid(f"The maximum number of inputs supported in a batch is {LARGEST_BATCH}")
    return inputs


def _refuse_channel(channel: str | None) -> None:
    if channel != "EMAIL":
        raise invalid(f"channel must be EMAIL, was {channel}")


def _address(text: str) -> str:
    address = text.strip().lower()
    if not is_email(address):
        raise invalid(f"Email address {text} is invalid")
    return address


def _subscription(call: Call, value: object) -> Subscription:
    found = call.store.consents.subscriptions.get(whole(str(value)) or 0)
    if found is None:
        raise not_found(f"There is no subscription with the id {value}")
    return found
