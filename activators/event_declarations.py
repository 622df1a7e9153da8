"""Read which events an activation sends: rows of the seed that it names. Reads the seed's file; writes nothing."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from activators.activation import EventType, Property
from activators.connectors import Connector, Events

# The columns of a sync model of events that say what an occurrence is; those of its primary key come on top.
OWN_COLUMNS = ("event_name", "record_id", "email", "occurred_at")
_SEED_COLUMNS = ("event_name", "label", "description", "properties")
_LONGEST_LABEL = 100

# What is wrong, and the mend.
Wrong = tuple[str, str]


def read_event_types(
    manifest: Mapping[str, Any], seed: str, properties: Sequence[Property], connector: Connector
) -> tuple[tuple[EventType, ...], list[Wrong]]:
    """The events of a seed, by name, as far as they can be read, and every mistake in it."""
    nodes = [node for node in manifest["nodes"].values() if node["resource_type"] == "seed" and node["name"] == seed]
    if not nodes:
        known = sorted(node["name"] for node in manifest["nodes"].values() if node["resource_type"] == "seed")
        return (), [(f"meta.activation.events: no seed is called {seed}", f"known seeds: {', '.join(known)}")]
    file = str(nodes[0]["original_file_path"])
    try:
        with (Path(nodes[0]["root_path"]) / file).open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines)
            rows = [{name: (value or "").strip() for name, value in row.items() if name} for row in reader]
            lacking = [name for name in _SEED_COLUMNS if name not in (reader.fieldnames or ())]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        return (), [(f"{file}: cannot be read ({error})", "correct the seed")]
    if lacking:
        return (), [(f"{file}: no column {', '.join(lacking)}", "add it to the seed")]
    rules = connector.events
    if rules is None:
        return (), [(f"{connector.title} takes no events", "declare kind: properties")]
    events: dict[str, EventType] = {}
    wrong: list[Wrong] = []
    by_column = {item.column: item for item in properties}
    for number, row in enumerate(rows, 2):
        where = f"{file}: line {number}: event {row['event_name'] or '(none)'}"
        wrong += [(f"{where}: {what}", mend) for what, mend in _mistakes(row, by_column, rules)]
        chosen = tuple(by_column[name] for name in row["properties"].split() if name in by_column)
        event = EventType(row["event_name"], row["label"], row["description"], chosen)
        if events.setdefault(event.name, event) != event:
            wrong.append(
                (f"{where}: another line says otherwise of it", "give both one label, description, properties")
            )
    return tuple(events[name] for name in sorted(events)), wrong


def _mistakes(row: Mapping[str, str], by_column: Mapping[str, Property], rules: Events) -> Iterator[Wrong]:
    if not rules.legal_name.fullmatch(row["event_name"]):
        yield "cannot have this name", rules.name_rule
    if not 0 < len(row["label"]) <= _LONGEST_LABEL:
        yield f"has a label of {len(row['label'])} characters", f"give it 1 to {_LONGEST_LABEL}"
    names = row["properties"].split()
    for name in names:
        if name not in by_column:
            known = ", ".join(by_column) or "none"
            yield f"no column {name} of the model has a meta.property", f"correct it; columns that can be sent: {known}"
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"names {name} twice", "keep one"
    if len(names) > rules.properties:
        yield f"has {len(names)} properties", f"keep {rules.properties} at most"


def misshapen(
    columns: Mapping[str, Any], key: str, properties: Sequence[Property], connector: Connector
) -> Iterator[Wrong]:
    """What is wrong with the columns of a sync model of events."""
    for name in OWN_COLUMNS:
        if name not in columns:
            yield f"a model of events has no column {name}", "add it; docs/events.md says what each of them holds"
    if connector.events is None:
        return
    own = [item for item in properties if item.column in {key, *OWN_COLUMNS}]
    if connector.events.has_external_id and key not in {item.column for item in own}:
        yield f"key {key} has no meta.property", "name the external id field that holds an occurrence's id"
    if not connector.events.has_external_id:
        for item in own:
            yield f"column {item.column} is no property of an event in {connector.title}", "drop its meta"
    for item in properties:
        if not connector.events.has_external_id and not connector.events.legal_name.fullmatch(item.name):
            yield f"property {item.name} cannot exist in an event", connector.events.name_rule
