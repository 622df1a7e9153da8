"""What HubSpot says about the world's people and companies: mostly right, never quite."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sandbox.crm import deals
from sandbox.crm.columns import NOBODY, SLIPS, Past, day_of, moment, phone, pick, rows_of, typed
from sandbox.crm.companies import Company, first_of_account, plant_companies
from sandbox.crm.contacts import BLANK, INBOX, MERGED, STRANGER, STREET_NUMBERS, Contacts, plant_contacts
from sandbox.names import PLACES, TITLES
from sandbox.people import Account, People
from sandbox.records import SeedRecord, Value
from sandbox.usage import Ints

STAGES = ("subscriber", "lead", "opportunity", "customer", "evangelist")
DEAL_STAGES = (
    "appointmentscheduled",
    "qualifiedtobuy",
    "presentationscheduled",
    "decisionmakerboughtin",
    "contractsent",
)
INDUSTRIES = ("BANKING", "HOSPITAL_HEALTH_CARE", "MACHINERY", "INTERNET", "RETAIL", "COMPUTER_SOFTWARE")
OUTSIDE = {STRANGER: "Elsewhere"}
TICKETS = ("Cannot log in", "Invoice is wrong", "Export is slow", "How do I invite a colleague?")
CATEGORIES = ("PRODUCT_ISSUE", "BILLING_ISSUE", "PRODUCT_ISSUE", "GENERAL_INQUIRY")
TASKS = ("Call about renewal", "Send offer", "Ask for a reference")
EMAIL_KINDS = ("310001", "310002", "310003")
SAID_SOMETHING = 0.03  # share of contacts who chose which emails they want


@dataclass(frozen=True)
class HubSpotSeeds:
    """HubSpot's records, made one by one whenever somebody walks through them.

    In the order in which they can be planted: companies, contacts, what they choose to get, then deals,
    tickets, tasks and subscriptions. `owners` are the ids of the salespeople.
    """

    seed: int
    origin: date
    accounts: tuple[Account, ...]
    people: People
    owners: tuple[str, ...]

    @cached_property
    def companies(self) -> tuple[Company, ...]:
        """The companies, by place."""
        return plant_companies(self._rng(0), self.accounts)

    @cached_property
    def contacts(self) -> Contacts:
        """The contacts, by place."""
        return plant_contacts(self._rng(1), "hubspot", self.people, self.accounts)

    def live_contacts(self) -> Ints:
        """Give the places of the contacts that are not in the recycle bin."""
        return np.flatnonzero(~self.contacts.archived)

    def contact_id(self, place: int) -> str:
        """Give the id of the contact at a place."""
        return str(100_000_000_151 + place * 7919)

    def company_id(self, place: int) -> str:
        """Give the id of the company at a place."""
        return str(21_000_000_001 + place * 613)

    def __len__(self) -> int:
        """Count companies and contacts, which are nearly all of it."""
        return len(self.companies) + len(self.contacts)

    def __iter__(self) -> Iterator[SeedRecord]:
        yield from self._company_records()
        yield from self._contact_records()
        yield from self._consents()
        yield from self._deals()
        yield from self._tickets()
        yield from self._tasks()
        yield from self._subscriptions()

    def _rng(self, stream: int) -> np.random.Generator:
        """Give the random stream of one kind of record."""
        return np.random.default_rng([self.seed, 1, stream])

    def _company_records(self) -> Iterator[SeedRecord]:
        rng, count = self._rng(10), len(self.companies)
        past = Past.draw(rng, self.origin, count)
        sizes = (len(self.owners) + 2, len(INDUSTRIES) + 1, 1_000_000, 2_000, len(PLACES) * 2)
        drawn = (rng.integers(0, size, count) for size in sizes)
        rows = rows_of(past.created, past.updated, *drawn)
        for place, (company, row) in enumerate(zip(self.companies, rows, strict=True)):
            created, updated, owner, industry, number, size, where = row
            record_id = self.company_id(place)
            properties: dict[str, Value] = {
                "name": company.name,
                "domain": company.domain,
                "product_account_id": company.product_id,
                "hubspot_owner_id": pick(self.owners, owner),
                "industry": pick(INDUSTRIES, industry),
                "phone": phone(number),
                "numberofemployees": str(size) if size else None,
                **_postal(where, size),
                "hs_merged_object_ids": ";".join(_older(record_id)) if company.merged else None,
            }
            yield SeedRecord("companies", record_id, properties, moment(created), moment(updated), company.archived)

    def _contact_records(self) -> Iterator[SeedRecord]:
        contacts, rng = self.contacts, self._rng(11)
        past = Past.draw(rng, self.origin, len(contacts))
        sizes = (
            len(TITLES) + 1,
            1_000_000,
            len(STAGES),
            len(self.owners) + 2,
            len(PLACES) * 2,
            STREET_NUMBERS,
            2_500_000,
            SLIPS,
        )
        drawn = [rng.integers(0, size, len(contacts)) for size in sizes]
        first, second = self._employers()
        rows = rows_of(
            past.created,
            past.updated,
            contacts.form,
            contacts.archived,
            contacts.account,
            first,
            second,
            self._opted_out,
            contacts.own_phone,
            contacts.own_street,
            *drawn,
        )
        people = zip(rows, contacts.addresses(), contacts.names(), strict=True)
        for place, (row, (email, more), (given, family)) in enumerate(people):
            created, updated, form, archived, account, company, another, opted_out, own_phone, house, *rest = row
            title, number, stage, owner, where, street, mobile, slip = rest
            record_id = self.contact_id(place)
            older = _older(record_id) if form == MERGED else ()
            properties: dict[str, Value] = {
                "email": email,
                "hs_additional_emails": more,
                "firstname": typed(given, slip),
                "lastname": family,
                "jobtitle": None if form == INBOX else pick(TITLES, title),
                "phone": phone(number if own_phone == NOBODY else own_phone),
                "mobilephone": phone(mobile) if mobile < 1_000_000 else None,  # noqa: PLR2004 - phone's range
                "lifecyclestage": STAGES[stage],
                "hubspot_owner_id": pick(self.owners, owner),
                "company": self.accounts[account].name
                if account >= 0
                else "Elsewhere"
                if form == STRANGER
                else "Freelance",
                **_postal(*((where, street) if house == NOBODY else divmod(house, STREET_NUMBERS))),
                "hs_email_optout": "true" if opted_out else None,
                "hs_merged_object_ids": ";".join(older) or None,
                "hs_calculated_merged_vids": ";".join(f"{one}:{updated * 1000}" for one in older) or None,
            }
            links = () if archived else tuple(("companies", self.company_id(n)) for n in (company, another) if n >= 0)
            yield SeedRecord("contacts", record_id, properties, moment(created), moment(updated), bool(archived), links)

    def _employers(self) -> tuple[Ints, Ints]:
        """Give the places of the company of each contact's main account, and of the other one."""
        first_of = np.append(first_of_account(self.companies, len(self.accounts)), NOBODY)
        contacts = self.contacts
        other = np.where(contacts.known, self.people.other[np.where(contacts.known, contacts.person, 0)], NOBODY)
        first, second = first_of[contacts.account], first_of[other]
        return first, np.where(first == second, NOBODY, second)

    @cached_property
    def _opted_out(self) -> NDArray[np.bool_]:
        """Tell which live contacts want no email at all."""
        reachable: NDArray[np.bool_] = ~self.contacts.archived & (self.contacts.form != BLANK)
        return reachable & (self._rng(12).random(len(self.contacts)) < deals.OPTED_OUT)

    def _consents(self) -> Iterator[SeedRecord]:
        """Say which emails some contacts chose to get, or not to."""
        rng = self._rng(13)
        open_to_ask = ~self.contacts.archived & (self.contacts.form != BLANK) & ~self._opted_out
        places = np.flatnonzero(open_to_ask & (rng.random(len(self.contacts)) < SAID_SOMETHING))
        past = Past.draw(rng, self.origin, len(places))
        rows = rows_of(past.updated, rng.integers(0, len(EMAIL_KINDS), len(places)), rng.integers(0, 2, len(places)))
        for (email, _), (at, kind, wanted) in zip(self.contacts.some_addresses(places), rows, strict=True):
            said: dict[str, Value] = {EMAIL_KINDS[kind]: "SUBSCRIBED" if wanted else "UNSUBSCRIBED"}
            yield SeedRecord("consents", str(email).strip().lower(), said, moment(at), moment(at))

    def _deals(self) -> Iterator[SeedRecord]:
        planted = deals.plant_deals(self._rng(14), self.origin, self.companies, self.contacts, len(self.owners))
        for n, row in enumerate(planted):
            name = f"{self.companies[row.company].name} {n}"
            properties: dict[str, Value] = {
                "dealname": name,
                "amount": str(row.amount),
                "closedate": moment(row.closes).isoformat()[:19] + "Z",
                "pipeline": "default",
                "dealstage": {deals.WON: "closedwon", deals.LOST: "closedlost"}.get(row.outcome, DEAL_STAGES[row.step]),
                "dealtype": "existingbusiness" if row.step % 2 else "newbusiness",
                "hubspot_owner_id": self.owners[row.owner],
            }
            links = [("companies", self.company_id(row.company))]
            if row.contact >= 0:
                links.append(("contacts", self.contact_id(row.contact)))
            yield SeedRecord(
                "deals",
                str(31_000_000_007 + n * 97),
                properties,
                moment(row.created),
                moment(row.updated),
                links=tuple(links),
            )

    def _tickets(self) -> Iterator[SeedRecord]:
        chores = deals.plant_chores(self._rng(15), self.origin, self.contacts, deals.TICKET_SHARE, len(self.owners))
        for n, row in enumerate(chores):
            properties: dict[str, Value] = {
                "subject": TICKETS[row.choice % len(TICKETS)],
                "hs_ticket_category": CATEGORIES[row.choice % len(TICKETS)],
                "hs_ticket_priority": ("LOW", "MEDIUM", "HIGH", None)[row.choice // 4 % 4],
                "hs_pipeline": "0",
                "hs_pipeline_stage": str(row.choice // 16 % 4 + 1),
                "hubspot_owner_id": self.owners[row.owner],
            }
            yield SeedRecord(
                "tickets",
                str(41_000_000_003 + n * 89),
                properties,
                moment(row.created),
                moment(row.updated),
                links=(("contacts", self.contact_id(row.contact)),),
            )

    def _tasks(self) -> Iterator[SeedRecord]:
        chores = deals.plant_chores(self._rng(16), self.origin, self.contacts, deals.TASK_SHARE, len(self.owners))
        for n, row in enumerate(chores):
            properties: dict[str, Value] = {
                "hs_timestamp": moment(row.due).isoformat()[:19] + "Z",
                "hs_task_subject": TASKS[row.choice % len(TASKS)],
                "hs_task_status": "COMPLETED" if row.choice % 2 else "NOT_STARTED",
                "hs_task_priority": ("NONE", "LOW", "MEDIUM", "HIGH")[row.choice // 4 % 4],
                "hs_task_type": ("CALL", "EMAIL", "TODO")[row.choice % len(TASKS)],
                "hubspot_owner_id": self.owners[row.owner],
            }
            yield SeedRecord(
                "tasks",
                str(51_000_000_009 + n * 83),
                properties,
                moment(row.created),
                moment(row.updated),
                links=(("contacts", self.contact_id(row.contact)),),
            )

    def _subscriptions(self) -> Iterator[SeedRecord]:
        planted = deals.plant_subscriptions(self._rng(17), self.origin, self.companies)
        for n, row in enumerate(planted):
            account = self.accounts[self.companies[row.company].account]
            properties: dict[str, Value] = {
                "subscription_name": f"{account.name}, {account.plan}",
                "subscription_key": f"SUB-{row.company:06d}",
                "plan": account.plan,
                "seats": str(row.seats),
                "renews_on": day_of(row.renews),
            }
            yield SeedRecord(
                "subscriptions",
                str(61_000_000_013 + n * 79),
                properties,
                moment(row.created),
                moment(row.updated),
                links=(("companies", self.company_id(row.company)),),
            )


def plant_hubspot(
    seed: int,
    origin: date,
    accounts: tuple[Account, ...],
    people: People,
    owners: Sequence[SeedRecord],
) -> HubSpotSeeds:
    """Give HubSpot's records, to be walked through as often as needed."""
    return HubSpotSeeds(seed, origin, accounts, people, tuple(owner.id for owner in owners))


def _older(record_id: str) -> tuple[str, str]:
    """Name the two records that a merged one was made of."""
    return str(int(record_id) - 2), str(int(record_id) - 1)


def _postal(where: int, number: int) -> Mapping[str, Value]:
    """Write a postal address; beyond the known places, none."""
    if where >= len(PLACES):
        return {}
    street, city, state, code, country = PLACES[where]
    return {"address": f"{street} {number}", "city": city, "state": state, "zip": code, "country": country}
