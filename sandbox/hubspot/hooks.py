"""Endpoints about an app's webhooks: where deliveries go, and what it has subscribed to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlsplit

from sandbox.hubspot.call import Answer, Call, batch_answer, text_list
from sandbox.hubspot.errors import attributes_not_set, bad_json, invalid, not_found
from sandbox.hubspot.values import instant, whole
from sandbox.hubspot.webhooks import MOST_AT_ONCE, Subscription, Webhooks

Body = Mapping[str, object]


def read_settings(call: Call) -> Answer:
    """GET …/webhooks/V/{app}/settings."""
    hooks = _hooks(call)
    if hooks.target_url is None:
        raise not_found("No webhook settings were found for this app")
    return Answer(200, _settings(hooks))


def write_settings(call: Call) -> Answer:
    """PUT …/webhooks/V/{app}/settings: the target URL and how many deliveries run at once."""
    hooks, body = _hooks(call), call.json()
    throttling = body.get("throttling")
    if not body.get("targetUrl") or not isinstance(throttling, dict):
        raise attributes_not_set("SettingsChangeRequest", ["targetUrl", "throttling"])
    at_once = throttling.get("maxConcurrentRequests")
    if not isinstance(at_once, int) or not 1 <= at_once <= MOST_AT_ONCE:
        raise invalid(f"maxConcurrentRequests must be between 1 and {MOST_AT_ONCE}")
    url = str(body["targetUrl"])
    # HubSpot wants https; a receiver on this machine has no certificate.
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in {"127.0.0.1", "localhost"}:
        raise invalid("targetUrl must be an https URL")
    hooks.send_to(url, at_once=at_once)
    return Answer(200, _settings(hooks))


def clear_settings(call: Call) -> Answer:
    """DELETE …/webhooks/V/{app}/settings: nothing is delivered any more."""
    _hooks(call).target_url = None
    return Answer(204)


def list_subscriptions(call: Call) -> Answer:
    """GET …/webhooks/V/{app}/subscriptions."""
    return Answer(200, {"results": [_shown(one) for one in _hooks(call).subscriptions.values()]})


def read_subscription(call: Call) -> Answer:
    """GET …/webhooks/V/{app}/subscriptions/{id}."""
    return Answer(200, _shown(_known(call)))


def create_subscription(call: Call) -> Answer:
    """POST …/webhooks/V/{app}/subscriptions."""
    hooks, body = _hooks(call), call.json()
    if not body.get("eventType"):
        raise attributes_not_set("SubscriptionCreateRequest", ["eventType"])
    name, type_id = (None if body.get(key) is None else str(body[key]) for key in ("propertyName", "objectTypeId"))
    try:
        made = hooks.subscribe(
            str(body["eventType"]), name=name, object_type_id=type_id, active=body.get("active") is True
        )
    except ValueError as error:
        raise invalid(str(error)) from error
    return Answer(201, _shown(made))


def update_subscription(call: Call) -> Answer:
    """PATCH …/webhooks/V/{app}/subscriptions/{id}: whether it is active."""
    changed = replace(_known(call), active=call.json().get("active") is True)
    _hooks(call).subscriptions[changed.number] = changed
    return Answer(200, _shown(changed))


def archive_subscription(call: Call) -> Answer:
    """DELETE …/webhooks/V/{app}/subscriptions/{id}."""
    del _hooks(call).subscriptions[_known(call).number]
    return Answer(204)


def batch_update_subscriptions(call: Call) -> Answer:
    """POST …/webhooks/V/{app}/subscriptions/batch/update: whether they are active."""
    hooks, started = _hooks(call), call.store.now()
    changed = []
    for item in text_list(call.json(), "inputs"):
        if not isinstance(item, dict):
            raise bad_json("Expected a subscription")
        changed.append(replace(_subscription(hooks, str(item.get("id"))), active=item.get("active") is True))
    hooks.subscriptions |= {one.number: one for one in changed}
    return batch_answer(call, 200, started, [_shown(one) for one in changed])


def _hooks(call: Call) -> Webhooks:
    hooks = call.store.webhooks
    if call.params["app"] != str(hooks.app_id):
        raise not_found(f"There is no app with the id {call.params['app']}")
    return hooks


def _known(call: Call) -> Subscription:
    return _subscription(_hooks(call), call.params["id"])


def _subscription(hooks: Webhooks, number: str) -> Subscription:
    found = hooks.subscriptions.get(whole(number) or 0)
    if found is None:
        raise not_found(f"There is no subscription with the id {number}")
    return found


def _settings(hooks: Webhooks) -> dict[str, object]:
    return {
        "targetUrl": hooks.target_url,
        "throttling": {"maxConcurrentRequests": hooks.at_once},
        "createdAt": instant(0),
        "updatedAt": instant(0),
    }


def _shown(one: Subscription) -> dict[str, object]:
    body: dict[str, object] = {
        "id": str(one.number),
        "eventType": one.event_type,
        "active": one.active,
        "createdAt": instant(0),
        "updatedAt": instant(0),
    }
    if one.property is not None:
        body["propertyName"] = one.property
    if one.object_type_id is not None:
        body["objectTypeId"] = one.object_type_id
    return body
