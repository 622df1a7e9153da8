"""Any sequence of what can happen, to records and to loads, ends with the landing equal to the vendor's state."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings

from loaders import LoadError, LoadSettings
from tests.loaders import pendo_world, salesforce_world
from tests.loaders.convergence import Account, Step, compared, land, landed, load_and_kill, once, reached, stories
from tests.loaders.hubspot_world import HubSpot
from tests.loaders.pendo_world import Pendo
from tests.loaders.salesforce_world import Salesforce
from tests.sandbox.hubspot_account import TOKEN

if TYPE_CHECKING:
    from tests.sandbox.hubspot_fixtures import Switch

pytest_plugins = ["tests.sandbox.hubspot_fixtures"]

# A daily read of everything finds these, or nothing does.
SEEN_TOMORROW = ("associate", "part", "a formula changes", "be slow", "one call fails")
# A story takes seconds, so that few are always told; they are the same ones, so that a failure is of the change.
DEEP = settings.get_current_profile_name() == "deep"
few = settings(
    max_examples=settings().max_examples if DEEP else 3,
    deadline=None,
    derandomize=not DEEP,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
Server = tuple["Switch", httpx.Client]


def hubspot(server: Server, folder: Path) -> tuple[Account, LoadSettings]:
    switch, client = server
    url = str(client.base_url)
    return HubSpot(switch, client), reached(folder, hubspot_base_url=url, hubspot_access_token=TOKEN)


def salesforce(server: Server, folder: Path) -> tuple[Account, LoadSettings]:
    switch, client = server
    url = str(client.base_url)
    client_id, secret = salesforce_world.CLIENT, salesforce_world.SECRET
    names = {"salesforce_base_url": url, "salesforce_client_id": client_id, "salesforce_client_secret": secret}
    made = replace(reached(folder, **names), salesforce_bulk_above=salesforce_world.BULK_ABOVE)
    return Salesforce(switch, url), made


def many_in_hubspot(server: Server, folder: Path) -> tuple[Account, LoadSettings]:
    _, reaching = hubspot(server, folder)
    return HubSpot(*server, people=1_500), reaching


def many_in_salesforce(server: Server, folder: Path) -> tuple[Account, LoadSettings]:
    _, reaching = salesforce(server, folder)
    return Salesforce(server[0], str(server[1].base_url), people=4_000), replace(reaching, salesforce_bulk_above=10**6)


def everybody_in_hubspot_is_edited(account: HubSpot) -> None:
    for number in account.live("contacts"):
        account.store.edit("contacts", number, {"jobtitle": "Chef"})


def everybody_in_salesforce_is_edited(account: Salesforce) -> None:
    for row in account.rows("Contact"):
        account.store.edit("Contact", row["Id"], {"Title": "Chef"})


def half_a_year_passes(account: Pendo) -> None:
    account.clock.at += timedelta(days=180)


def pendo(server: Server, folder: Path) -> tuple[Account, LoadSettings]:
    switch, client = server
    key = pendo_world.KEY
    return Pendo(switch, client), reached(folder, pendo_base_url=str(client.base_url), pendo_integration_key=key)


@few
@given(story=stories(HubSpot.EVENTS))
def test_hubspot_is_landed_as_it_is_whatever_happened(
    server: Server, tmp_path_factory: pytest.TempPathFactory, story: list[Step]
) -> None:
    account, reaching = hubspot(server, tmp_path_factory.mktemp("story"))
    truth, found = land(account, story, reaching)
    assert found == truth


@few
@given(story=stories(Salesforce.EVENTS))
def test_salesforce_is_landed_as_it_is_whatever_happened(
    server: Server, tmp_path_factory: pytest.TempPathFactory, story: list[Step]
) -> None:
    account, reaching = salesforce(server, tmp_path_factory.mktemp("story"))
    truth, found = land(account, story, reaching)
    assert found == truth


@few
# The oldest day that may change becomes empty, and one more day is over before the next load.
@example(story=[("empty a day", 0, 0), ("let days pass", 0, 20)])
@given(story=stories(Pendo.EVENTS))
def test_pendo_is_landed_as_it_is_whatever_happened(
    server: Server, tmp_path_factory: pytest.TempPathFactory, story: list[Step]
) -> None:
    account, reaching = pendo(server, tmp_path_factory.mktemp("story"))
    truth, found = land(account, story, reaching)
    assert found == truth


def calls_of_a_load(account: Account, settings: LoadSettings) -> Counter[str]:
    """Load, and count the calls by path; the pages of queries are one."""
    calls: Counter[str] = Counter()
    before, account.calls.before = account.calls.before, lambda path: calls.update([path.rpartition("/0r8")[0] or path])
    once(account, settings)
    account.calls.before = before
    return calls


@pytest.mark.parametrize("opened", [many_in_hubspot, many_in_salesforce, pendo])
def test_a_first_load_that_is_killed_goes_on_where_it_stopped(
    server: Server, tmp_path: Path, opened: Callable[[Server, Path], tuple[Account, LoadSettings]]
) -> None:
    """And lands what has happened meanwhile, too, to what it had read before."""
    account, reaching = opened(server, tmp_path)
    whole = calls_of_a_load(account, replace(reaching, warehouse=tmp_path / "other.duckdb"))
    load_and_kill(account, reaching, at_call=whole.total() * 9 // 10)
    for number, event in enumerate(account.EVENTS):
        if event not in SEEN_TOMORROW and not event.startswith("let "):
            account.happen(event, 5 * number, 13 * number)
    account.clock.at += timedelta(minutes=20)
    rest = calls_of_a_load(account, reaching)
    truth, found = compared(account, reaching)
    assert found == truth
    ((path, times),) = whole.most_common(1)
    assert rest[path] <= times // 2
    assert [path.name for path in reaching.pipelines_dir.iterdir()] == [f"{account.vendor}.lock"]


@pytest.mark.parametrize(
    ("opened", "happens"),
    [
        (many_in_hubspot, everybody_in_hubspot_is_edited),
        (many_in_salesforce, everybody_in_salesforce_is_edited),
        (pendo, half_a_year_passes),
    ],
)
def test_an_incremental_load_that_is_killed_goes_on_where_it_stopped(
    server: Server,
    tmp_path: Path,
    opened: Callable[[Server, Path], tuple[Account, LoadSettings]],
    happens: Callable[[Account], None],
) -> None:
    account, reaching = opened(server, tmp_path)
    once(account, reaching)
    happens(account)
    account.clock.at += timedelta(hours=1)
    other = replace(reaching, warehouse=tmp_path / "other.duckdb")
    shutil.copy(reaching.warehouse, other.warehouse)
    whole = calls_of_a_load(account, other)
    load_and_kill(account, reaching, at_call=whole.total() * 9 // 10)
    for number, event in enumerate(account.EVENTS):
        if event not in SEEN_TOMORROW and not event.startswith("let "):
            account.happen(event, 5 * number, 13 * number)
    account.clock.at += timedelta(minutes=20)
    rest = calls_of_a_load(account, reaching)
    truth, found = compared(account, reaching)
    assert found == truth
    ((path, times),) = whole.most_common(1)
    assert rest[path] <= times * 2 // 3


def test_a_load_that_is_killed_is_not_ended_with_the_days_of_another_subscription(
    server: Server, tmp_path: Path
) -> None:
    """Pendo does not tell which subscription a key is of, and both are at one address."""
    account, reaching = pendo(server, tmp_path)
    whole = calls_of_a_load(account, replace(reaching, warehouse=tmp_path / "other.duckdb"))
    load_and_kill(account, reaching, at_call=whole.total() * 9 // 10)
    assert list(reaching.pipelines_dir.rglob("*.answers"))
    first = account.truth()
    other = Pendo(*server, key=pendo_world.OTHER_KEY, seed=6)
    truth, found = landed(other, replace(reaching, pendo_integration_key=other.key))
    assert found == truth != first
    # A new key of the same subscription goes on with what is landed.
    truth, found = landed(Pendo(*server, seed=6), reaching)
    assert found == truth


def test_another_subscription_is_not_mixed_into_the_warehouse(server: Server, tmp_path: Path) -> None:
    account, reaching = pendo(server, tmp_path)
    once(account, reaching)
    other = Pendo(*server, key=pendo_world.OTHER_KEY, seed=6, own_ids=True)
    moved = replace(reaching, pendo_integration_key=other.key)
    with pytest.raises(LoadError, match=r"another Pendo key .* finds none.*--same-subscription"):
        once(other, moved)
    truth, found = compared(Pendo(*server), moved)
    assert found == truth
    # A new key that finds the guides that are landed needs no word.
    truth, found = landed(Pendo(*server, key=other.key), moved)
    assert found == truth
    # All of them may be gone, and other ones made: once it is said whose key that is, it is known.
    renewed = Pendo(*server, own_ids=True)
    with pytest.raises(LoadError, match="another Pendo key"):
        once(renewed, reaching)
    once(renewed, replace(reaching, same_subscription=True))
    once(renewed, reaching)


@pytest.mark.parametrize("opened", [hubspot, salesforce, pendo])
def test_a_load_that_is_killed_leaves_nothing_that_the_next_one_trips_over(
    server: Server, tmp_path: Path, opened: Callable[[Server, Path], tuple[Account, LoadSettings]]
) -> None:
    """Killed while it reads, and then while it writes: the second load of all, and the third."""
    account, reaching = opened(server, tmp_path)
    once(account, reaching)
    events = account.EVENTS
    for number, event in enumerate(events * 2):
        account.happen(event, 7 * number, 11 * number)
    load_and_kill(account, reaching, at_call=4)
    for number, event in enumerate(events):
        account.happen(event, 5 * number, 13 * number)
    load_and_kill(account, reaching, at_call=None)
    truth, found = landed(account, reaching)
    assert found == truth
