"""Suggestions for what no match rule has found: pairs that may be one identity, how probably, and why. Never a match.

A person who agrees copies a row into `seeds/match_overrides.csv`. The extra `suggest` brings Splink, which does sums:

    comparisons   what is compared and what it counts; the page to review
    records       how values are spelt to be compared, and what brings two records together
    linking       two systems' records through Splink
    output        the table in the warehouse, the rows for the seed, what is shown
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import duckdb
import orjson
import pyarrow as pa

from activators.errors import ActivationError
from activators.warehouse import open_warehouse
from backhaul.settings import Settings

# The seed's order: a pair is pendo's before hubspot's before salesforce's.
SYSTEMS = (("pendo", "hubspot"), ("pendo", "salesforce"), ("hubspot", "salesforce"))
KINDS = ("person", "organisation")
_TABLES = {"person": "compared_people", "organisation": "compared_organisations"}
# What each kind of record is called where matches are.
_PRODUCT_OBJECTS = {"person": "visitor", "organisation": "account"}
_HUBSPOT_OBJECTS = {"person": "contacts", "organisation": "companies"}


class SuggestionError(ActivationError):
    """No suggestions can be made; the message says what is to be done first."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one comparison says of a pair; `weight` is in bits, 0 where a value is missing."""

    comparison: str
    left_value: str | None
    right_value: str | None
    level: str
    weight: float


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A pair that may be one identity.

    `probability` is what is left beside the other records that each of the two may be, `probability_alone` that of the
    pair as if there were no others. `weight` is the log of its odds, in bits; any two records have `weight_before`.
    """

    left_system: str
    left_object: str
    left_id: str
    left_name: str | None
    right_system: str
    right_object: str
    right_id: str
    right_name: str | None
    probability: float
    probability_alone: float
    weight: float
    weight_before: float
    left_candidates: int
    right_candidates: int
    evidence: tuple[Evidence, ...]
    settings_id: str

    @property
    def candidates(self) -> int:
        """How many records one of the two may be."""
        return max(self.left_candidates, self.right_candidates)


@dataclass(frozen=True, slots=True)
class Suggestions:
    """What was found, the likeliest first; `settings` are Splink's, with what was learnt, by their id."""

    made_at: dt.datetime
    open_records: int
    found: tuple[Suggestion, ...]
    settings: Mapping[str, str]


def suggest(settings: Settings, manifest: Mapping[str, Any]) -> Suggestions:
    """Compare what has no partner, each two systems in turn. Reads the warehouse, and writes nothing.

    SuggestionError where the extra or the tables are not there; PlanError where the warehouse cannot be opened.
    """
    if find_spec("splink") is None:
        raise SuggestionError(
            "suggestions need Splink: pip install 'backhaul[suggest]', in a clone pip install -e '.[suggest]'"
        )
    from backhaul.suggest.linking import link  # noqa: PLC0415  only this extra brings what it imports

    made_at = dt.datetime.now(dt.UTC)
    found: list[Suggestion] = []
    learnt: dict[str, str] = {}
    tables = _read(settings, manifest)
    for (kind, left, right), inputs in tables.items():
        rows, trained = link(kind, (left, right), inputs)
        written = orjson.dumps(trained).decode()
        settings_id = hashlib.sha256(written.encode()).hexdigest()[:12]
        if rows:
            learnt[settings_id] = written
        for row in rows:
            evidence = tuple(Evidence(**item) for item in row.pop("evidence"))
            found.append(
                Suggestion(left_system=left, right_system=right, evidence=evidence, settings_id=settings_id, **row)
            )
    found.sort(
        key=lambda one: (
            -one.probability,
            one.left_system,
            one.left_object,
            one.left_id,
            one.right_object,
            one.right_id,
        )
    )
    open_records = {
        (row["system"], row["unique_id"]) for inputs in tables.values() for row in inputs["open_ids"].to_pylist()
    }
    return Suggestions(made_at, len(open_records), tuple(found), learnt)


def _read(settings: Settings, manifest: Mapping[str, Any]) -> dict[tuple[str, str, str], dict[str, pa.Table]]:
    """Read what `link` compares, by kind and systems; what has no open side on both sides is left out."""
    relations = {
        node["name"]: f'"{node["schema"]}"."{node["alias"]}"'
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model"
    }
    if _TABLES["person"] not in relations:
        raise SuggestionError(
            "dbt_project.yml: suggestions are off; write `&suggestions true` there, "
            "then run `backhaul load` and `dbt build`"
        )
    tables: dict[tuple[str, str, str], dict[str, pa.Table]] = {}
    with open_warehouse(settings.warehouse) as connection:
        try:
            for kind in KINDS:
                for left, right in SYSTEMS:
                    inputs = {
                        name: connection.sql(query).to_arrow_table()
                        for name, query in _queries(relations, kind, left, right).items()
                    }
                    sides = set(inputs["open_ids"].column("system").to_pylist())
                    if sides == {left, right}:
                        tables[kind, left, right] = inputs
        except duckdb.CatalogException as error:
            missing = str(error).splitlines()[0].removeprefix("Catalog Error: ").rstrip(".")
            raise SuggestionError(f"{settings.warehouse}: {missing}; run `backhaul load`, then `dbt build`") from None
    return tables


def _queries(relations: Mapping[str, str], kind: str, left: str, right: str) -> dict[str, str]:
    """Write the queries of one kind and two systems; every name in them is the project's."""
    compared = relations[_TABLES[kind]]
    if left == "pendo":
        known = (
            f"select product_object || ' ' || product_id as left_id, object || ' ' || record_id as right_id "
            f"from {relations['matches']} where crm = '{right}' and product_object = '{_PRODUCT_OBJECTS[kind]}'"
        )
    else:
        known = (
            f"select hubspot_object || ' ' || hubspot_id as left_id, "
            f"salesforce_object || ' ' || salesforce_id as right_id "
            f"from {relations['record_pairs']} where hubspot_object = '{_HUBSPOT_OBJECTS[kind]}'"
        )
    return {
        "compared": f"select * from {compared} where system in ('{left}', '{right}')",
        "open_ids": (
            f"select sides.system, sides.object || ' ' || sides.record_id as unique_id "
            f"from {relations['open_sides']} as sides semi join {compared} as compared "
            f"on (sides.system, sides.object, sides.record_id) "
            f"= (compared.system, compared.object, compared.record_id) "
            f"where (sides.system, sides.other_system) in (('{left}', '{right}'), ('{right}', '{left}'))"
        ),
        "known": known,
        "forbidden": (
            f"select left_object || ' ' || left_id as left_id, right_object || ' ' || right_id as right_id "
            f"from {relations['int_match_overrides__followed']} "
            f"where left_system = '{left}' and right_system = '{right}' and decision = 'forbid'"
        ),
    }
