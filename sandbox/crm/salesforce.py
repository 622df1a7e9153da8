"""What Salesforce says about the world's people and companies: mostly right, never quite."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sandbox.crm import deals
from sandbox.crm.columns import (
    NOBODY,
    SLIPS,
    Past,
    day_of,
    domestic_phone,
    moment,
    phone,
    pick,
    rows_of,
    salesforce_id,
    typed,
)
from sandbox.crm.companies import Company, first_of_account, plant_companies
from sandbox.crm.contacts import INBOX, INBOXES, LOSER, STRANGER, STREET_NUMBERS, Contacts, plant_contacts
from sandbox.names import FAMILY, GIVEN, INDUSTRIES, PLACES, TITLES
from sandbox.people import Account, People, Visitor, draw_names
from sandbox.records import SeedRecord, Value
from sandbox.usage import Ints

OPEN_STAGES = ("Prospecting", "Qualification", "Needs Analysis", "Proposal/Price Quote", "Negotiation/Review")
TASKS = ("Call", "Send Quote", "Email: ask for a reference")
ROLES = ("Decision Maker", "Business User", "Evaluator", None)
LEADS = 20  # one for so many people
CONVERTED = 7  # one lead in so many became a contact
ASSET_SHARE = 0.3  # of won deals, whose goods are listed
PERSON_IDS = 5_000_000_000  # where the ids of people who are accounts begin


@dataclass(frozen=True)
class SalesforceSeeds:
    """Salesforce's records, made one by one whenever somebody walks through them.

    In the order in which they can be planted: users, accounts, contacts, leads, opportunities with their
    contact roles, tasks, assets and subscriptions. With `person_accounts`, people without a company are
    accounts themselves; the org must have them switched on. So many leads as `product_leads` says, at most, are of
    people who use the product and are no contacts.
    """

    seed: int
    origin: date
    accounts: tuple[Account, ...]
    people: People
    users: tuple[SeedRecord, ...]
    person_accounts: bool = False
    product_leads: int = 0

    @cached_property
    def companies(self) -> tuple[Company, ...]:
        """The accounts, by place."""
        return plant_companies(self._rng(0), self.accounts)

    @cached_property
    def contacts(self) -> Contacts:
        """The contacts, by place."""
        return plant_contacts(self._rng(1), "salesforce", self.people, self.accounts)

    @cached_property
    def _alone(self) -> NDArray[np.bool_]:
        """Tell which contacts are accounts instead."""
        contacts = self.contacts
        alone: NDArray[np.bool_] = contacts.known & (contacts.account < 0) & (contacts.form != LOSER)
        return alone & ~contacts.archived & self.person_accounts

    def live_contacts(self) -> Ints:
        """Give the places of the contacts that are not in the recycle bin."""
        return np.flatnonzero(~self.contacts.archived & ~self._alone)

    def contact_id(self, place: int) -> str:
        """Give the id of the contact at a place."""
        return salesforce_id("003", 9000 + place * 29)

    def account_id(self, place: int) -> str:
        """Give the id of the account at a place."""
        return salesforce_id("001", 4000 + place * 17)

    def __len__(self) -> int:
        """Count accounts and contacts, which are nearly all of it."""
        return len(self.companies) + len(self.contacts)

    def __iter__(self) -> Iterator[SeedRecord]:
        yield from self.users
        yield from self._account_records()
        yield from self._contact_records()
        yield from self._leads()
        yield from self._opportunities()
        yield from self._tasks()
        yield from self._subscriptions()

    def _rng(self, stream: int) -> np.random.Generator:
        """Give the random stream of one kind of record."""
        return np.random.default_rng([self.seed, 2, stream])

    def _account_records(self) -> Iterator[SeedRecord]:
        rng, count = self._rng(10), len(self.companies)
        past = Past.draw(rng, self.origin, count)
        sizes = (len(self.users), len(INDUSTRIES) + 1, 1_000_000, 2_000, len(PLACES) * 2)
        rows = rows_of(past.created, past.updated, *(rng.integers(0, size, count) for size in sizes))
        for place, (company, row) in enumerate(zip(self.companies, rows, strict=True)):
            created, updated, owner, industry, number, size, where = row
            domain = company.domain
            properties: dict[str, Value] = {
                "Name": company.name,
                "Website": domain if domain is None or "/" in domain else f"https://www.{domain}",
                "Product_Account_Id__c": company.product_id,
                "Industry": pick(INDUSTRIES, industry),
                "Type": None if company.account < 0 else "Customer - Direct",
                "Phone": phone(number),
                "NumberOfEmployees": size or None,
                "OwnerId": self.users[owner].id,
                **_postal("Billing", where, size),
            }
            record_id, began, touched = self.account_id(place), moment(created), moment(updated)
            yield SeedRecord("Account", record_id, properties, began, touched, company.archived)
            if company.merged:
                lost = {**properties, "MasterRecordId": record_id}
                loser = salesforce_id("001", 4001 + place * 17)
                yield SeedRecord("Account", loser, lost, began, touched, archived=True)

    def _contact_records(self) -> Iterator[SeedRecord]:
        contacts, rng = self.contacts, self._rng(11)
        count = len(contacts)
        past = Past.draw(rng, self.origin, count)
        sizes = (len(TITLES) + 1, 1_000_000, len(self.users), len(PLACES) * 2, STREET_NUMBERS, 2_500_000, SLIPS)
        drawn = [rng.integers(0, size, count) for size in sizes]
        wishes = (rng.random(count) < share for share in (deals.OPTED_OUT, deals.NOT_TO_CALL))
        columns = (past.created, past.updated, contacts.form, contacts.archived, self._employers(), self._alone)
        own = (contacts.own_phone, contacts.own_street)
        rows = rows_of(*columns, *own, *wishes, *drawn)
        people = zip(rows, contacts.addresses(), contacts.names(), strict=True)
        for place, (row, (email, _), (given, family)) in enumerate(people):
            created, updated, form, archived, company, alone, own_phone, house, no_email, no_call, *rest = row
            title, number, owner, where, street, mobile, slip = rest
            properties: dict[str, Value] = {
                "FirstName": typed(given, slip),
                "LastName": family or INBOXES[place % len(INBOXES)].title(),
                "Email": email,
                "Title": None if form == INBOX else pick(TITLES, title),
                "Phone": phone(number) if own_phone == NOBODY else domestic_phone(own_phone),
                "MobilePhone": phone(mobile) if mobile < 1_000_000 else None,  # noqa: PLR2004 - phone's range
                "OwnerId": self.users[owner].id,
                "AccountId": self.account_id(company) if company >= 0 else None,
                "HasOptedOutOfEmail": bool(no_email),
                "DoNotCall": bool(no_call),
                **_postal("Mailing", *((where, street) if house == NOBODY else divmod(house, STREET_NUMBERS))),
            }
            if form == LOSER:
                properties["MasterRecordId"] = self.contact_id(place - 1)
            kind, record_id = "Contact", self.contact_id(place)
            if alone:
                kind, record_id = "Account", salesforce_id("001", PERSON_IDS + place)
                properties = _as_account(properties)
            yield SeedRecord(kind, record_id, properties, moment(created), moment(updated), bool(archived))

    def _employers(self) -> Ints:
        """Give the place of each contact's account: strangers work for prospects."""
        contacts, companies = self.contacts, self.companies
        first_of = np.append(first_of_account(companies, len(self.accounts)), NOBODY)
        prospects = np.array([place for place, company in enumerate(companies) if company.account < 0])
        at_prospect = prospects[np.maximum(contacts.person, 0) % len(prospects)]
        employers: Ints = np.where(contacts.form == STRANGER, at_prospect, first_of[contacts.account])
        return employers

    def _leads(self) -> Iterator[SeedRecord]:
        rng = self._rng(12)
        strangers = np.flatnonzero(self.contacts.form == STRANGER)
        known = len(self.people) - int(self.people.anonymous.sum())
        count = max(1, known // LEADS)
        past = Past.draw(rng, self.origin, count)
        given, family = draw_names(rng, count)
        sizes = (len(TITLES) + 1, 1_000_000, len(self.users))
        drawn = (rng.integers(0, size, count) for size in sizes)
        employers = self._employers()
        users = iter(self._users_without_contact())
        for n, row in enumerate(rows_of(past.created, past.updated, given, family, *drawn)):
            created, updated, first, last, title, number, owner = row
            properties: dict[str, Value] = {
                "FirstName": GIVEN[first][0],
                "LastName": FAMILY[last][0],
                "Email": f"{GIVEN[first][1]}.{FAMILY[last][1]}.lead{n}@prospect{n % 50 + 1}.example",
                "Title": pick(TITLES, title),
                "Phone": phone(number),
                "OwnerId": self.users[owner].id,
                "Company": "Prospect Inc.",
            }
            if n % CONVERTED == CONVERTED - 1 and n < len(strangers):
                contact = int(strangers[n])
                properties |= {
                    "Status": "Closed - Converted",
                    "IsConverted": True,
                    "ConvertedDate": day_of(updated),
                    "ConvertedAccountId": self.account_id(int(employers[contact])),
                    "ConvertedContactId": self.contact_id(contact),
                }
            elif (user := next(users, None)) is not None:
                properties |= {"FirstName": user.given, "LastName": user.family, "Email": user.address}
            yield SeedRecord("Lead", salesforce_id("00Q", 700 + n * 3), properties, moment(created), moment(updated))

    def _users_without_contact(self) -> list[Visitor]:
        """Give as many people as there are product leads, whom no contact is of; each has an address of their own."""
        if not self.product_leads:
            return []
        people = self.people
        counted = np.flatnonzero(people.known(self.origin) & ~people.anonymous & ~people.excluded)
        strangers = np.setdiff1d(counted, self.contacts.person[self.contacts.known])
        shared = np.bincount(people.holder, minlength=len(people)) > 1
        found: list[Visitor] = []
        for number in strangers[~shared[people.holder[strangers]]].tolist():
            one = people[number]
            if one.email and one.address.isascii():
                found.append(one)
            if len(found) == self.product_leads:
                break
        return found

    def _opportunities(self) -> Iterator[SeedRecord]:
        rng = self._rng(13)
        planted = deals.plant_deals(rng, self.origin, self.companies, self.contacts, len(self.users))
        for n, deal in enumerate(planted):
            record_id, account = salesforce_id("006", 800 + n * 7), self.account_id(deal.company)
            name = self.companies[deal.company].name
            contact = None if deal.contact < 0 or self._alone[deal.contact] else self.contact_id(deal.contact)
            owner = self.users[deal.owner].id
            won, lost = deal.outcome == deals.WON, deal.outcome == deals.LOST
            properties: dict[str, Value] = {
                "Name": f"{name} {n}"[:120],
                "AccountId": account,
                "StageName": "Closed Won" if won else "Closed Lost" if lost else OPEN_STAGES[deal.step],
                "Amount": float(deal.amount),
                "CloseDate": day_of(deal.closes),
                "Type": "Existing Customer - Upgrade" if deal.step % 2 else "New Customer",
                "OwnerId": owner,
            }
            times = (moment(deal.created), moment(deal.updated))
            yield SeedRecord("Opportunity", record_id, properties, *times)
            if contact is not None:
                role: dict[str, Value] = {
                    "OpportunityId": record_id,
                    "ContactId": contact,
                    "Role": ROLES[deal.step % len(ROLES)],
                    "IsPrimary": True,
                }
                yield SeedRecord("OpportunityContactRole", salesforce_id("00K", 600 + n * 5), role, *times)
            if won and deal.step / 5 < ASSET_SHARE:
                asset: dict[str, Value] = {
                    "Name": f"Starter kit {n}",
                    "AccountId": account,
                    "ContactId": contact,
                    "Status": "Installed",
                    "PurchaseDate": day_of(deal.closes),
                    "Quantity": float(deal.step + 1),
                    "Price": float(deal.amount // 10),
                    "OwnerId": owner,
                }
                yield SeedRecord("Asset", salesforce_id("02i", 400 + n * 3), asset, *times)

    def _tasks(self) -> Iterator[SeedRecord]:
        chores = deals.plant_chores(self._rng(14), self.origin, self.contacts, deals.TASK_SHARE, len(self.users))
        employers = self._employers()
        for n, chore in enumerate(chores):
            if self._alone[chore.contact]:
                continue
            account = int(employers[chore.contact])
            properties: dict[str, Value] = {
                "Subject": TASKS[chore.choice % len(TASKS)],
                "Status": "Completed" if chore.choice % 2 else "Not Started",
                "Priority": ("High", "Normal", "Low")[chore.choice // 4 % 3],
                "ActivityDate": day_of(chore.due),
                "WhoId": self.contact_id(chore.contact),
                "WhatId": self.account_id(account) if account >= 0 else None,
                "OwnerId": self.users[chore.owner].id,
            }
            times = (moment(chore.created), moment(chore.updated))
            yield SeedRecord("Task", salesforce_id("00T", 300 + n * 2), properties, *times)

    def _subscriptions(self) -> Iterator[SeedRecord]:
        for n, row in enumerate(deals.plant_subscriptions(self._rng(15), self.origin, self.companies)):
            account = self.accounts[self.companies[row.company].account]
            properties: dict[str, Value] = {
                "Name": f"{account.name}, {account.plan}"[:80],
                "Subscription_Key__c": f"SUB-{row.company:06d}",
                "Account__c": self.account_id(row.company),
                "Plan__c": account.plan,
                "Seats__c": float(row.seats),
                "Renews_On__c": day_of(row.renews),
            }
            times = (moment(row.created), moment(row.updated))
            yield SeedRecord("Subscription__c", salesforce_id("a00", 200 + n), properties, *times)


def plant_salesforce(  # noqa: PLR0913 - the world, and who works in the org
    seed: int,
    origin: date,
    accounts: tuple[Account, ...],
    people: People,
    users: Sequence[SeedRecord],
    *,
    person_accounts: bool = False,
    product_leads: int = 0,
) -> SalesforceSeeds:
    """Give Salesforce's records, the users among them, to be walked through as often as needed."""
    return SalesforceSeeds(seed, origin, accounts, people, tuple(users), person_accounts, product_leads)


def _as_account(contact: Mapping[str, Value]) -> dict[str, Value]:
    """Write a person as an account."""
    own = ("FirstName", "LastName", "Phone", "OwnerId")
    return {name if name in own else f"Person{name}": value for name, value in contact.items() if name != "AccountId"}


def _postal(prefix: str, where: int, number: int) -> Mapping[str, Value]:
    """Write a postal address; beyond the known places, none."""
    if where >= len(PLACES):
        return {}
    street, city, state, code, country = PLACES[where]
    parts = {"Street": f"{street} {number}", "City": city, "State": state, "PostalCode": code, "Country": country}
    return {prefix + name: value for name, value in parts.items()}
