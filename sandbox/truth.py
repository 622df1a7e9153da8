"""What must come out, worked out from the ground truth in the plainest way.

Nothing here is shared with the Pendo server's aggregation or with the product: usage comes straight
from active minutes, matches straight from the records that the CRMs hold now.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta

from sandbox.names import FREE_MAIL
from sandbox.records import CrmStore
from sandbox.usage import CSAT, NPS, Answer, Day
from sandbox.world import World

WINDOWS = (30, 90, 180)
SURVEY_DAYS = 180
PROMOTER, DETRACTOR = 9, 6
# (CRM, contact object, its address fields, company object)
CRMS = (
    ("hubspot", "contacts", ("email", "hs_additional_emails"), "companies"),
    ("salesforce", "Contact", ("Email",), "Account"),
)
# The company's field for the product's account id, and for its domain.
COMPANY_FIELDS = {
    "hubspot": ("product_account_id", "domain"),
    "salesforce": ("Product_Account_Id__c", "Website"),
}

# By the number of days ago: minutes and events.
Usage = dict[int, list[int]]


def metrics(world: World, as_of: date) -> dict[str, object]:
    """Give every metric that a push may send, for visitors and accounts known on a morning.

    Windows are the whole local days before `as_of`. Sessions that Pendo does not show yet do not
    count, nor do anonymous visitors and those who opted out. Numbers are not rounded.
    """
    visitors: dict[int, Usage] = defaultdict(dict)
    accounts: dict[int, Usage] = defaultdict(dict)
    seen: dict[tuple[str, int], list[int]] = {}
    counted = {
        n for n, v in enumerate(world.visitors) if not v.anonymous and not v.excluded and world.is_known(v, as_of)
    }
    for n in counted:
        if earlier := world.visitors[n].earlier:
            for key in (("visitor", n), *(("account", a) for a in world.visitors[n].accounts[:1])):
                _widen(seen, key, *earlier)
    for day in world.days(as_of):
        ago = (as_of - day.date).days
        for (who, account, *_), times, minutes, events in _rows(day, as_of, counted):
            _widen(seen, ("visitor", who), *times)
            _add(visitors[who], ago, minutes, events)
            if account >= 0:
                _widen(seen, ("account", account), *times)
                _add(accounts[account], ago, minutes, events)

    answers = [
        answer
        for day in world.days(as_of)
        for answer in day.answers
        if answer.visitor in counted and day.date + timedelta(days=answer.lag) < as_of
    ]
    answers.sort(key=lambda answer: answer.time)
    latest = {(answer.visitor, answer.survey): answer.rating for answer in answers}
    return {
        "as_of": as_of.isoformat(),
        "time_zone": str(world.zone),
        "visitors": {
            world.visitors[n].id: {
                **_visits(seen, "visitor", n),
                "windows": _windows(visitors.get(n, {})),
                "latest_nps_rating": int(latest[n, NPS]) if (n, NPS) in latest else None,
                "latest_poll_response": latest.get((n, CSAT)),
            }
            for n in sorted(counted)
        },
        "accounts": {
            account.id: {
                **_visits(seen, "account", n),
                "windows": _windows(accounts.get(n, {})),
                "visitors": sum(n in world.visitors[v].accounts for v in counted),
                **_survey_scores([a for a in answers if a.account == n and _in_window(a, world, as_of)]),
            }
            for n, account in enumerate(world.accounts)
        },
    }


def _rows(day: Day, as_of: date, counted: set[int]) -> Iterator[tuple[tuple[int, ...], tuple[int, int], int, int]]:
    """Give Pendo's rows of a day: key, first and last ms, distinct minutes, events."""
    keys = list(
        zip(
            day.visitor.tolist(),
            day.account.tolist(),
            day.app.tolist(),
            day.server.tolist(),
            day.ip.tolist(),
            day.agent.tolist(),
            strict=True,
        )
    )
    arrived = [
        key[0] in counted and day.date + timedelta(days=lag) < as_of
        for key, lag in zip(keys, day.lag.tolist(), strict=True)
    ]
    offset, minute, count = day.offset.tolist(), day.minute.tolist(), day.events.tolist()
    minutes: dict[tuple[int, ...], set[int]] = defaultdict(set)
    events: dict[tuple[int, ...], int] = defaultdict(int)
    times: dict[tuple[int, ...], list[int]] = defaultdict(list)
    at = 0
    for session, length in sorted(Counter(day.session.tolist()).items()):
        spent, counts = minute[at : at + length], count[at : at + length]
        at += length
        if arrived[session]:
            key = keys[session]
            minutes[key].update(spent)
            events[key] += sum(counts)
            times[key] += [day.start + m * 60_000 + offset[session] for m in (min(spent), max(spent))]
    for key, distinct in minutes.items():
        yield key, (min(times[key]), max(times[key])), len(distinct), events[key]


def _widen(seen: dict[tuple[str, int], list[int]], key: tuple[str, int], *times: int) -> None:
    known = seen.get(key, [])
    seen[key] = [min(*known, *times), max(*known, *times)]


def _add(usage: Usage, ago: int, minutes: int, events: int) -> None:
    day = usage.setdefault(ago, [0, 0])
    day[0] += minutes
    day[1] += events


def _visits(seen: Mapping[tuple[str, int], Sequence[int]], kind: str, number: int) -> dict[str, int | None]:
    first, last = seen.get((kind, number), (None, None))
    return {"first_visit": first, "last_visit": last}


def _windows(usage: Usage) -> dict[str, dict[str, object]]:
    """Sum usage over each window, and compare its minutes with the window before it."""
    result: dict[str, dict[str, object]] = {}
    for length in WINDOWS:
        days = [day for ago, day in usage.items() if 1 <= ago <= length]
        minutes = sum(day[0] for day in days)
        previous = sum(day[0] for ago, day in usage.items() if length < ago <= 2 * length)
        percent = 100 * (minutes - previous) / previous if previous else None
        reason = None if previous else "new" if minutes else "none"
        result[str(length)] = {
            "active_days": len(days),
            "minutes": minutes,
            "previous_minutes": previous,
            "trending_percent": percent,
            "trending_reason": reason,
            "events": sum(day[1] for day in days),
        }
    return result


def _in_window(answer: Answer, world: World, as_of: date) -> bool:
    given_on = datetime.fromtimestamp(answer.time / 1000, world.zone).date()
    return 1 <= (as_of - given_on).days <= SURVEY_DAYS


def _survey_scores(answers: Iterable[Answer]) -> dict[str, object]:
    """Score an account's answers, oldest first: of each visitor the latest one counts, if it is a number."""
    latest: dict[tuple[int, int], Answer] = {}
    for answer in answers:
        latest[answer.survey, answer.visitor] = answer
    ratings = [int(a.rating) for (survey, _), a in latest.items() if survey == NPS]
    scores = [a.rating for (survey, _), a in latest.items() if survey == CSAT]
    numbers = [int(score) for score in scores if score.isdigit()]
    promoters = sum(rating >= PROMOTER for rating in ratings)
    detractors = sum(rating <= DETRACTOR for rating in ratings)
    return {
        "nps_score": 100 * (promoters - detractors) / len(ratings) if ratings else None,
        "nps_responses": len(ratings),
        "poll_average": sum(numbers) / len(numbers) if numbers else None,
        "poll_responses": len(numbers),
        "poll_rejects": len(scores) - len(numbers),
    }


def matches(world: World, as_of: date, stores: Mapping[str, CrmStore]) -> dict[str, object]:
    """Pair visitors and accounts with the CRM records that there are now.

    A pair that nothing else touches is a match; every other group of candidates is a conflict.
    """
    found: list[dict[str, object]] = []
    conflicts: list[dict[str, object]] = []
    emails, accounts, domains = _visitors_by_email(world, as_of), _own(world), _domains(world)
    for crm, contacts, fields, companies in CRMS:
        people = [
            (product_id, record_id)
            for record_id, record in _live(stores[crm], contacts)
            for email in _emails(record, fields)
            for product_id in emails.get(email, ())
        ]
        firms = [
            (product_id, record_id)
            for record_id, record in _live(stores[crm], companies)
            for product_id in _company_candidates(record, COMPANY_FIELDS[crm], accounts, domains)
        ]
        for object_type, product_object, edges in (
            (contacts, "visitor", people),
            (companies, "account", firms),
        ):
            for products, records in _groups(edges):
                common = {"crm": crm, "object": object_type, "product_object": product_object}
                if len(products) == len(records) == 1:
                    pair = {"product_id": products[0], "record_id": records[0]}
                    found.append({**common, **pair})
                else:
                    conflicts.append({**common, "product_ids": products, "record_ids": records})
    return {"matches": found, "conflicts": conflicts}


def _live(store: CrmStore, object_type: str) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Give the id and the fields of every record that is not in the recycle bin."""
    for record in store.records(object_type):
        if record.get("archived") or record.get("IsDeleted"):
            continue
        properties = record.get("properties", record)
        if isinstance(properties, Mapping):
            yield str(record.get("id") or record["Id"]), properties


def _visitors_by_email(world: World, as_of: date) -> Mapping[str, list[str]]:
    people: dict[str, list[str]] = defaultdict(list)
    for visitor in world.visitors:
        if visitor.anonymous or visitor.excluded or not world.is_known(visitor, as_of):
            continue
        email = visitor.email or (visitor.id if "@" in visitor.id else None)
        if email and _normal(email):
            people[_normal(email)].append(visitor.id)
    return people


def _emails(record: Mapping[str, object], fields: Iterable[str]) -> set[str]:
    texts = [text for name in fields for text in str(record.get(name) or "").split(";")]
    return {_normal(text) for text in texts if _normal(text)}


def _normal(email: str) -> str:
    return unicodedata.normalize("NFKC", email).strip().lower()


def _own(world: World) -> set[str]:
    return {account.id for account in world.accounts}


def _domains(world: World) -> Mapping[str, list[str]]:
    firms: dict[str, list[str]] = defaultdict(list)
    for account in world.accounts:
        if domain := _domain(account.domain):
            firms[domain].append(account.id)
    return firms


def _domain(text: object) -> str | None:
    """Reduce a web address to its domain; anybody's domain is nobody's."""
    host = str(text or "").strip().lower()
    host = re.split(r"[/?#:]", host.split("://", 1)[-1], maxsplit=1)[0].removeprefix("www.").rstrip(".")
    return None if not host or host in FREE_MAIL else host


def _company_candidates(
    record: Mapping[str, object],
    fields: tuple[str, str],
    accounts: set[str],
    domains: Mapping[str, list[str]],
) -> list[str]:
    own, domain = str(record.get(fields[0]) or "").strip(), _domain(record.get(fields[1]))
    if own:
        return [own] if own in accounts else []
    return domains.get(domain, []) if domain else []


def _groups(edges: Iterable[tuple[str, str]]) -> list[tuple[list[str], list[str]]]:
    """Split candidate pairs into groups that share no member."""
    neighbours: dict[tuple[str, str], set[tuple[str, str]]] = defaultdict(set)
    for product_id, record_id in edges:
        neighbours["product", product_id].add(("record", record_id))
        neighbours["record", record_id].add(("product", product_id))
    groups: list[tuple[list[str], list[str]]] = []
    placed: set[tuple[str, str]] = set()
    for node in sorted(neighbours):
        if node in placed:
            continue
        group, waiting = {node}, [node]
        while waiting:
            fresh = neighbours[waiting.pop()] - group
            group |= fresh
            waiting.extend(fresh)
        placed |= group
        groups.append(
            (
                sorted(name for side, name in group if side == "product"),
                sorted(name for side, name in group if side == "record"),
            )
        )
    return groups
