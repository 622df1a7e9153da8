"""Find what is wrong with the declarations before anything is planned. Writes to nothing.

Offline, from dbt's manifest and from what the CRMs' landed metadata says of each property; online, by asking the CRMs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import orjson

from activators.activation import Activation, Property
from activators.connectors import Connector, Destination, Probe
from activators.declarations import Mistake, Place, survey, wrong_type
from activators.destinations import connectors, for_events, missing_settings
from activators.errors import Unauthorized, VendorError
from activators.plan import Plan
from activators.warehouse import open_warehouse

_NAMED = 5


@dataclass(frozen=True, slots=True)
class Field:
    """What a CRM says of one property. A limit that it does not have is None."""

    options: tuple[str, ...] | None
    object: str
    type: str
    family: str | None
    is_read_only: bool
    max_length: int | None
    integer_digits: int | None
    fraction_digits: int | None
    group: str | None


@dataclass(frozen=True, slots=True)
class Checked:
    """What was looked at, and every mistake that was found. `notes` say what could not be looked at."""

    activations: tuple[Activation, ...]
    mistakes: tuple[Mistake, ...]
    notes: tuple[str, ...]

    @property
    def properties(self) -> int:
        """Properties that were looked at."""
        return sum(len(activation.properties) for activation in self.activations)


@dataclass(frozen=True, slots=True)
class Asked:
    """One question to a CRM account and its answer."""

    destination: str
    activation: str | None
    probe: Probe


def check(manifest: Mapping[str, Any], warehouse: Path) -> Checked:
    """Every mistake in the declarations, as far as it can be told without asking the CRMs.

    Raises PlanError when another process holds the warehouse.
    """
    activations, mistakes = survey(manifest)
    if not warehouse.exists():
        note = f"{warehouse}: no such warehouse, so only the declarations were looked at; run `backhaul load`"
        return Checked(activations, mistakes, (note,))
    found = list(mistakes)
    with open_warehouse(warehouse) as connection:
        fields = _fields(connection)
        landed = {crm for crm, _ in fields}
        notes = [
            f"{name}: no landed property metadata, so only its declarations were looked at; "
            "run `backhaul load` and `dbt build`"
            for name in dict.fromkeys(activation.destination for activation in activations)
            if name not in landed
        ]
        for activation in activations:
            if activation.destination in landed:
                of_crm = {key[1]: item for key, item in fields.items() if key[0] == activation.destination}
                if activation.kind == "properties":
                    found += _compare(activation, of_crm)
                    found += _overflowing(connection, activation, of_crm)
                elif _has_definitions(activation):
                    events = _events(connection, activation.destination)
                    if events is None:
                        notes.append(
                            f"{activation.name}: no landed definitions of events, so only its declarations were looked "
                            "at; run `backhaul load` and `dbt build`"
                        )
                    else:
                        found += _compare_events(activation, events)
    return Checked(activations, tuple(found), tuple(notes))


async def ask(
    activations: Sequence[Activation], destinations: Mapping[str, Destination], last: Plan | None
) -> list[Asked]:
    """Ask each CRM whether it lets us in, lets us do what the activations need, and has the calls left. Reads only."""
    asked: list[Asked] = []
    for name, destination in destinations.items():
        title = connectors()[name].title
        try:
            usage = await destination.quota()
            asked.append(Asked(name, None, Probe("log in", f"{title} accepts the credentials")))
            if usage is not None:
                needed = sum(item.calls for item in last.activations if item.destination == name) if last else 0
                found = f"{usage.left:,} of the day's {usage.daily:,} are left"
                found += f", and the last plan takes {needed:,}" if last else ""
                asked.append(
                    Asked(name, None, Probe("calls", found, "apply it tomorrow" if needed > usage.left else None))
                )
        except VendorError as error:
            asked.append(Asked(name, None, _refusal("log in" if isinstance(error, Unauthorized) else "calls", error)))
        for activation in activations:
            if activation.destination != name:
                continue
            try:
                probes = await _taking(destination, activation).probe(activation)
            except VendorError as error:
                probes = [_refusal(f"read {activation.object}", error)]
            asked += [Asked(name, activation.name, probe) for probe in probes]
    return asked


def _taking(destination: Destination, activation: Activation) -> Destination:
    """The part of an account that takes what an activation sends."""
    if activation.kind == "events":
        return for_events(activation.destination, destination, activation.external_id)
    return destination


def unset(activations: Sequence[Activation], credentials: Mapping[str, str]) -> dict[str, list[str]]:
    """By destination that an activation names: its settings without a value, by name."""
    names = dict.fromkeys(activation.destination for activation in activations)
    lacking = {name: missing_settings(connectors()[name], credentials) for name in names}
    return {name: settings for name, settings in lacking.items() if settings}


def _refusal(what: str, error: VendorError) -> Probe:
    found, _, mend = str(error).rpartition("; ")
    return Probe(what, found or mend, mend)


def _fields(connection: duckdb.DuckDBPyConnection) -> dict[tuple[str, tuple[str, str]], Field]:
    """By CRM, object and property, in lower case. Empty where the model is not built, or an older project built it."""
    try:
        rows = connection.execute(
            """
            select
                crm, lower(object), lower(property), options, object, type, family, coalesce(is_read_only, false),
                max_length, integer_digits, fraction_digits, group_name
            from plans.int_crm_properties
            """
        ).fetchall()
    except (duckdb.CatalogException, duckdb.BinderException):
        return {}
    return {
        (crm, (owner, name)): Field(tuple(orjson.loads(options)) if options else None, *rest)
        for crm, owner, name, options, *rest in rows
    }


def _has_definitions(activation: Activation) -> bool:
    """Whether the destination has to know an event before one is sent; where an occurrence is a record, it need not."""
    events = connectors()[activation.destination].events
    return events is not None and not events.has_external_id


def _events(connection: duckdb.DuckDBPyConnection, crm: str) -> dict[str, dict[str, tuple[str, str | None]]] | None:
    """By event of a CRM and property: its type and family. None where the model is not built."""
    try:
        rows = connection.execute(
            "select event, property, type, family from plans.int_crm_events where crm = $1", [crm]
        ).fetchall()
    except duckdb.CatalogException:
        return None
    events: dict[str, dict[str, tuple[str, str | None]]] = {event: {} for event, *_ in rows}
    for event, name, kind, family in rows:
        if name is not None:
            events[event][name] = kind, family
    return events


def _compare_events(
    activation: Activation, events: Mapping[str, Mapping[str, tuple[str, str | None]]]
) -> Iterator[Mistake]:
    """What the CRM's definitions say against the activation's events."""
    title = connectors()[activation.destination].title
    for event in activation.events:
        if event.name not in events:
            place = Place(activation.path, activation.name)
            yield Mistake(place, f"{title} has no event {event.name}", "run `backhaul provision`")
            continue
        for item in event.properties:
            place = Place(activation.path, activation.name, item.column)
            kind, family = events[event.name].get(item.name, (None, None))
            if kind is None:
                what = f"{title}'s event {event.name} has no property {item.name}"
                yield Mistake(place, what, "run `backhaul provision`")
            # A text takes the text of anything.
            elif family not in {"string", item.type.family}:
                what = f"is a {item.type.family}, but {title}'s event {event.name} has property {item.name} as {kind}"
                yield Mistake(place, what, "map another property or cast the column")


def _compare(activation: Activation, fields: Mapping[tuple[str, str], Field]) -> Iterator[Mistake]:
    """What the CRM's definitions say against the activation."""
    connector = connectors()[activation.destination]
    of = activation.object.lower()
    here = {name: field for (owner, name), field in fields.items() if owner == of}
    place = Place(activation.path, activation.name)
    if not here:
        objects = ", ".join(sorted({field.object for field in fields.values()}))
        yield Mistake(
            place,
            f"{connector.title} has no object {activation.object} that we have landed",
            f"correct it, or declare its source and run `backhaul load`; landed: {objects}",
        )
        return
    lacking = False
    for item in activation.properties:
        field = here.get(item.name.lower())
        lacking = lacking or field is None
        if field is not None and field.family != item.type.family:
            yield wrong_type(activation, item, field.type)
        for what, mend in _unfit(item, field, connector):
            yield Mistake(Place(activation.path, activation.name, item.column), what, mend)
    groups = {field.group for field in here.values() if field.group}
    if lacking and groups and activation.group not in groups:
        yield Mistake(place, f"{connector.title} has no property group {activation.group}", "run `backhaul provision`")


def _unfit(item: Property, field: Field | None, connector: Connector) -> Iterator[tuple[str, str]]:
    """What is wrong with a column for its property, and the mend."""
    named = f"property {item.name}"
    if field is None:
        yield f"{connector.title} has no {named}, or hides it from us", "run `backhaul provision`"
        return
    if field.is_read_only:
        yield f"{named} is calculated, or not ours to write", "map another property"
    if field.family != item.type.family:
        return  # told above
    if field.fraction_digits is not None and item.type.scale > field.fraction_digits:
        yield (
            f"the column has {item.type.scale} digits after the point, and {named} keeps {field.fraction_digits}",
            f"cast the column to decimal(18,{field.fraction_digits}), or it differs for ever",
        )
    if field.max_length is not None:
        texts = (item.type.length or 0, *(len(value) for value in item.accepted))
        if max(texts) > field.max_length:
            yield (
                f"the column has up to {max(texts):,} characters, and {named} holds {field.max_length:,}",
                "cut the column, or lengthen the property",
            )
    if field.options is not None:
        strange = [value for value in item.accepted if value not in field.options]
        if strange:
            more = f" and {len(strange) - _NAMED} more" if len(strange) > _NAMED else ""
            yield (
                f"{named} has no option {', '.join(map(repr, strange[:_NAMED]))}{more}, which the column may hold",
                f"add it in {connector.title}, or map the value to an option",
            )


def _overflowing(
    connection: duckdb.DuckDBPyConnection, activation: Activation, fields: Mapping[tuple[str, str], Field]
) -> Iterator[Mistake]:
    """What the sync model, as it was last built, holds and the CRM does not: texts too long, numbers too large."""
    limits: list[tuple[Property, int, str]] = []
    for item in activation.properties:
        field = fields.get((activation.object.lower(), item.name.lower()))
        if field is None or field.family != item.type.family:
            continue
        column = '"' + item.column.replace('"', '""') + '"'
        if field.max_length is not None and item.type.length is None:
            limits.append((item, field.max_length, f"length(cast({column} as varchar)) > {field.max_length}"))
        if field.integer_digits is not None:
            limits.append((item, field.integer_digits, f"abs({column}) >= 1e{field.integer_digits}"))
    if not limits:
        return
    counts = ", ".join(f"count(*) filter (where {condition})" for _, _, condition in limits)
    try:
        found = connection.execute(f"select {counts} from {activation.sync_relation}").fetchone()  # noqa: S608  names from the manifest
    except (duckdb.CatalogException, duckdb.BinderException):
        return  # not built, or not as it is declared now
    for (item, limit, _), rows in zip(limits, found or (), strict=True):
        if rows:
            long = item.type.family == "string"
            yield Mistake(
                Place(activation.path, activation.name, item.column),
                f"{rows:,} rows have more {'characters' if long else 'digits before the point'} "
                f"than the {limit:,} that property {item.name} holds",
                "cut the column, or lengthen the property" if long else "map a property that holds them",
            )
