"""A million visitors against a million contacts: the matching models, against the bare hash join of the two tables.

dbt's own start-up is left out: what counts is the time in which dbt ran any of the matching models, from the landing to
the check that pairs are one to one; models that run at once are counted once. The bare join is of the two tables as
they are landed, by the one address that each has. That the models also read additional addresses, other scripts and
decisions, and count who is several, is what costs more. The keys and the matches are views, so who reads them all pays
for the spelling of the addresses, or a scan of the candidates, again.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from string import ascii_lowercase
from tempfile import TemporaryDirectory

import duckdb
import orjson
import yaml

from backhaul.settings import Settings
from backhaul.transform import Transform
from benchmarks.figures import Figure, seconds

ROOT = Path(__file__).parents[1]
PEOPLE = int(os.environ.get("BENCH_PEOPLE", "1_000_000"))
SECOND_EVERY = 20  # one contact in so many has the known address as an additional one
TWICE_EVERY = 50  # one person in so many is two contacts, the other one in capitals
WIDE_EVERY = 100  # one address in so many is in full width
# What a match is made of, from the landing to the tables that the sync and people read.
MODELS = (
    "int_records__gone",
    "int_records",
    "int_match_overrides__followed",
    "int_keys",
    "int_matches__shared",
    "int_matches__candidates",
    "matches",
    "match_conflicts",
)
# A model has run from when dbt began to compile it until it had executed it.
RAN = ((0, "started_at"), (-1, "completed_at"))
BARE = """
    create table bare as
    select visitors.visitor_id, contacts.id
    from pendo.visitors as visitors
    inner join hubspot.contacts as contacts
        on lower(json_extract_string(visitors.agent, '$.email')) = lower(contacts.email)
"""
# The types of what else the models read, which is there and empty, or null; all else is text.
TYPES = {
    "boolean": {"archived", "IsDeleted", "IsPersonAccount", "IsConverted", "do_not_process"},
    "timestamptz": {
        *("created_at", "updated_at", "archived_at", "merged_at"),
        *("CreatedDate", "LastModifiedDate", "SystemModstamp"),
    },
    "bigint": {"first_visit", "last_visit", "last_updated"},
}


def million() -> list[Figure]:
    """Match everybody, three times; the bare join is run beside each, and the median of the ratios counts."""
    rounds = sorted((_measured() for _ in range(3)), key=lambda one: one.ratio)
    median = rounds[1]
    detail = {
        "at_most": 5,
        "people": PEOPLE,
        "bare_seconds": round(median.bare, 2),
        "matching_seconds": round(median.matching, 2),
        "model_seconds": {name: round(taken, 2) for name, taken in median.models.items()},
        "bare_processor_seconds": round(median.bare_processor, 2),
        "build_processor_seconds": round(median.build_processor, 2),
        "dbt_start": "left out, but of build_processor_seconds, which are of the whole build",
        **median.found,
    }
    return [Figure("match.million_vs_hash_join", median.ratio, "x", detail)]


@dataclass(frozen=True, slots=True)
class Round:
    """Seconds of the bare join, of all matching and of each model; processor seconds of the join and of all of dbt."""

    bare: float
    matching: float
    models: Mapping[str, float]
    bare_processor: float
    build_processor: float
    found: Mapping[str, int]

    @property
    def ratio(self) -> float:
        """How many bare joins the matching is."""
        return self.matching / self.bare


def _measured() -> Round:
    """Land everybody, and match them both ways."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        settings = Settings.model_construct(
            warehouse=folder / "warehouse.duckdb", state=folder / "state", target=folder / "target"
        )
        plant(settings.warehouse)
        with duckdb.connect(settings.warehouse) as connection:
            began = time.process_time()
            bare = seconds(lambda: connection.execute(BARE))
            bare_processor = time.process_time() - began
            connection.execute("drop table bare")
        began = time.process_time()
        matching, models = _match(settings, _project(folder / "project"))
        build_processor = time.process_time() - began
        with duckdb.connect(settings.warehouse) as connection:
            (matched, conflicts), *_ = connection.execute(
                "select (select count(*) from identity.matches), (select count(*) from identity.match_conflicts)"
            ).fetchall()
    twice = len(range(0, PEOPLE, TWICE_EVERY))
    if (matched, conflicts) != (PEOPLE - twice, 2 * twice):
        raise RuntimeError(
            f"{matched} matches and {conflicts} conflicts; {PEOPLE - twice} and {2 * twice} were planted"
        )
    found = {"matches": matched, "conflicting_pairs": conflicts}
    return Round(bare, matching, models, bare_processor, build_processor, found)


def _match(settings: Settings, project: Path) -> tuple[float, dict[str, float]]:
    """Build what matching needs, and give the seconds in which any of its models ran, and those of each."""
    transform = Transform(settings, project)
    transform.build(
        lambda *_: None,
        "--select",
        "+matches",
        "+match_conflicts",
        "--resource-type",
        "model",
        "--resource-type",
        "seed",
    )
    results = orjson.loads((settings.target / "run_results.json").read_bytes())["results"]
    ran = {
        name: [datetime.fromisoformat(one["timing"][place][moment]) for place, moment in RAN]
        for one in results
        if (name := one["unique_id"].rpartition(".")[2]) in MODELS
    }
    elapsed, until = 0.0, datetime.min.replace(tzinfo=UTC)
    for began, ended in sorted(ran.values()):
        elapsed += max(0.0, (ended - max(began, until)).total_seconds())
        until = max(until, ended)
    return elapsed, {name: (ran[name][1] - ran[name][0]).total_seconds() for name in MODELS}


def _project(folder: Path) -> Path:
    for part in ("models", "macros", "seeds"):
        shutil.copytree(ROOT / part, folder / part)
    for part in ("dbt_project.yml", "profiles.yml"):
        shutil.copy(ROOT / part, folder / part)
    return folder


def plant(warehouse: Path) -> None:
    """Land everybody once in the product and once in HubSpot, some twice; nobody is left out."""
    address = "'person.' || n || '@company' || (n % 5000) || '.example'"
    full_width = "".join(chr(ord(letter) + 0xFEE0) for letter in ascii_lowercase)
    wide = f"translate({address}, '{ascii_lowercase}', '{full_width}')"
    with duckdb.connect(warehouse) as connection:
        connection.execute("set TimeZone = 'UTC'")
        for schema in ("pendo", "hubspot", "salesforce"):
            connection.execute(f"create schema {schema}")
        connection.execute(f"""
            create table pendo.visitors as select 'u-' || n as visitor_id, '' as account_id, '[]' as account_ids,
            '{{"email": "' || {address} || '", "full_name": "Somebody", "role": "viewer"}}' as agent, '{{}}' as custom,
            false as do_not_process, 0::bigint as first_visit, 0::bigint as last_visit, 0::bigint as last_updated
            from (select range as n from range({PEOPLE}))
        """)
        known = f"case when n % {WIDE_EVERY} = 1 then {wide} else {address} end"
        connection.execute(f"""
            create table hubspot.contacts as select cast(100000000 + k as varchar) as id, false as archived,
            case when n % {SECOND_EVERY} = 3 then 'private.' || n || '@home.example'
            when k >= {PEOPLE} then upper({address}) else {known} end as email,
            case when n % {SECOND_EVERY} = 3 then {known} end as hs_additional_emails,
            'Some' as firstname, 'Body' as lastname, '' as jobtitle, '' as lifecyclestage, '' as hubspot_owner_id,
            cast(null as varchar) as hs_merged_object_ids,
            now() as created_at, now() as updated_at, cast(null as timestamptz) as archived_at
            from (
                select range as n, range as k from range({PEOPLE})
                union all
                select range * {TWICE_EVERY} as n, {PEOPLE} + range as k from range({PEOPLE} // {TWICE_EVERY})
            )
        """)
        for vendor in ("pendo", "hubspot", "salesforce"):
            _complete(connection, vendor)


def _complete(connection: duckdb.DuckDBPyConnection, vendor: str) -> None:
    """Make every table and column that the project's source declares and that is not planted."""
    declared = yaml.safe_load((ROOT / f"models/staging/{vendor}/_{vendor}__sources.yml").read_text())
    for table in declared["sources"][0]["tables"]:
        name = f"{vendor}.{table['name']}"
        columns = {
            one["name"]: next((kind for kind, names in TYPES.items() if one["name"] in names), "varchar")
            for one in table.get("columns", ())
        }
        if not columns:
            continue
        listed = ", ".join(f'"{column}" {kind}' for column, kind in columns.items())
        connection.execute(f"create table if not exists {name} ({listed})")
        for column, kind in columns.items():
            connection.execute(f'alter table {name} add column if not exists "{column}" {kind}')
