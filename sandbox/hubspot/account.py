"""Endpoints about the account: its owners, its details and its API usage."""

from __future__ import annotations

from sandbox.hubspot.call import Answer, Call
from sandbox.hubspot.errors import not_found
from sandbox.hubspot.values import instant, milliseconds
from sandbox.records import SeedRecord

LARGEST_PAGE = 500


def list_owners(call: Call) -> Answer:
    """GET /crm/owners/V: active owners, or the deactivated ones; `email` finds one."""
    archived, email = call.flag("archived"), call.one("email")
    owners = [
        owner
        for _, owner in sorted(call.store.owners.items())
        if owner.archived is archived and email in (None, owner.properties.get("email"))
    ]
    limit = call.limit(LARGEST_PAGE // 5, LARGEST_PAGE)
    after = call.one("after") or ""
    rest = [owner for owner in owners if owner.id > after]
    body: dict[str, object] = {"results": [_shown(owner) for owner in rest[:limit]]}
    if len(rest) > limit:
        body["paging"] = {"next": {"after": rest[limit - 1].id}}
    return Answer(200, body)


def read_owner(call: Call) -> Answer:
    """GET /crm/owners/V/{id}."""
    owner = call.store.owners.get(call.params["id"])
    if owner is None or owner.archived is not call.flag("archived"):
        raise not_found()
    return Answer(200, _shown(owner))


def _shown(owner: SeedRecord) -> dict[str, object]:
    user_id = owner.properties.get("userId")
    user = None if user_id is None else int(user_id)
    return {
        "id": owner.id,
        "email": owner.properties.get("email"),
        "type": "PERSON",
        "firstName": owner.properties.get("firstName"),
        "lastName": owner.properties.get("lastName"),
        "userId": None if owner.archived else user,
        "userIdIncludingInactive": user,
        "createdAt": instant(milliseconds(owner.created_at)),
        "updatedAt": instant(milliseconds(owner.updated_at)),
        "archived": owner.archived,
    }


def details(call: Call) -> Answer:
    """GET /account-info/V/details."""
    store = call.store
    offset = store.limiter.resets_at().utcoffset()
    seconds = 0 if offset is None else int(offset.total_seconds())
    sign, minutes = "-" if seconds < 0 else "+", abs(seconds) // 60
    return Answer(
        200,
        {
            "portalId": store.portal_id,
            "accountType": "STANDARD",
            "timeZone": store.time_zone,
            "companyCurrency": "USD",
            "additionalCurrencies": [],
            "utcOffset": f"{sign}{minutes // 60:02d}:{minutes % 60:02d}",
            "utcOffsetMilliseconds": seconds * 1000,
            "uiDomain": "app.hubspot.com",
            "dataHostingLocation": "na1",
        },
    )


def daily_usage(call: Call) -> Answer:
    """GET /account-info/V/api-usage/daily/private-apps: this call counts too."""
    limiter = call.store.limiter
    usage = {
        "name": "private-apps-api-calls-daily",
        "usageLimit": limiter.limits.daily,
        "currentUsage": limiter.used_today(),
        "collectedAt": instant(call.store.now()),
        "fetchStatus": "SUCCESS",
        "resetsAt": instant(milliseconds(limiter.resets_at())),
    }
    return Answer(200, {"results": [usage]})
