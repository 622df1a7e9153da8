"""Read what the dbt project declares: exposures, sync models and columns become `Activation`s.

Reads `manifest.json` only, never dbt itself, so it costs milliseconds. Writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from activators.activation import Activation, ColumnType, EventType, Guards, Kind, Model, Property
from activators.connectors import Connector
from activators.destinations import connectors
from activators.errors import DeclarationError
from activators.event_declarations import misshapen, read_event_types


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is declared: the YAML file, and what of it."""

    file: str
    exposure: str
    column: str | None = None


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing that is wrong with a declaration, and what to do about it."""

    place: Place
    what: str
    mend: str

    def __str__(self) -> str:
        column = f"column {self.place.column}: " if self.place.column else ""
        return f"{self.place.file}: exposure {self.place.exposure}: {column}{self.what}; {self.mend}"


def wrong_type(activation: Activation, item: Property, kind: str) -> Mistake:
    """Say that the CRM's property has a type that cannot hold the column's values."""
    return Mistake(
        Place(activation.path, activation.name, item.column),
        f"holds a {item.type.family}, but {activation.destination} has property {item.name} as {kind}",
        "map another property or cast the column",
    )


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


_Meta = TypeVar("_Meta", bound=_Strict)


class _GuardsMeta(_Strict):
    max_change_share: float = Field(default=0.5, ge=0, le=1)
    max_clear_share: float = Field(default=0.1, ge=0, le=1)
    max_quota_share: float = Field(default=0.5, gt=0, le=1)
    # Of events that create contacts.
    max_creates: int = Field(default=100, ge=0)


class _ActivationMeta(_Strict):
    destination: str
    object: str = Field(min_length=1)
    key: str = Field(min_length=1)
    group: str = "backhaul"
    guards: _GuardsMeta = _GuardsMeta()
    kind: Kind = "properties"
    # Of events: the seed that says which are sent.
    events: str | None = None
    # Of events: whether a record is created, by email, for those who have none.
    create_contacts: bool = False


class _EventPropertyMeta(_Strict):
    property: str = Field(min_length=1)
    label: str = Field(min_length=1)


class _PropertyMeta(_EventPropertyMeta):
    write: Literal["always", "fill_empty"] = "always"
    on_null: Literal["keep", "clear"] = "keep"
    on_conflict: Literal["overwrite", "keep", "hold"] = "hold"
    on_exit: Literal["keep", "clear"] = "keep"


def read_manifest(path: Path) -> Mapping[str, Any]:
    """Parse dbt's manifest. Raises DeclarationError when dbt has not made one."""
    try:
        manifest: Mapping[str, Any] = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        raise DeclarationError(f"{path}: dbt has not made a manifest; run `dbt build`") from None
    except (orjson.JSONDecodeError, OSError) as error:
        raise DeclarationError(f"{path}: not a manifest ({error}); run `dbt parse`") from None
    if not {"nodes", "exposures", "sources"} <= set(manifest):
        raise DeclarationError(f"{path}: not a manifest; run `dbt parse`")
    return manifest


def read_activations(manifest: Mapping[str, Any]) -> tuple[Activation, ...]:
    """Every enabled exposure with `config.meta.activation`, by name.

    Raises DeclarationError with one line for each mistake in any of them.
    """
    activations, mistakes = survey(manifest)
    if mistakes:
        raise DeclarationError("\n".join(str(mistake) for mistake in mistakes))
    return activations


def survey(manifest: Mapping[str, Any]) -> tuple[tuple[Activation, ...], tuple[Mistake, ...]]:
    """The activations that can be read, and every mistake in any of them. What is wrong of one is left out of it."""
    mistakes: list[Mistake] = []
    activations: list[Activation] = []
    for exposure in sorted(manifest["exposures"].values(), key=lambda node: str(node["name"])):
        if "activation" in exposure["config"].get("meta", {}):
            activation = _read_activation(manifest, exposure, mistakes)
            if activation is not None:
                activations.append(activation)
    mistakes += _properties_claimed_twice(activations)
    return tuple(activations), tuple(mistakes)


def landed_objects(manifest: Mapping[str, Any], source: str) -> dict[str, tuple[str, ...]]:
    """The columns that the project's YAML lists for each CRM object (`meta.object`), in one source table or several."""
    found: dict[str, tuple[str, ...]] = {}
    for node in manifest["sources"].values():
        if node["source_name"] == source and "object" in node["config"].get("meta", {}):
            name = str(node["config"]["meta"]["object"])
            found[name] = tuple(dict.fromkeys((*found.get(name, ()), *node["columns"])))
    return found


def landed_tables(manifest: Mapping[str, Any], source: str) -> frozenset[str]:
    """The tables of a source that the project declares; one that is disabled is not landed."""
    return frozenset(node["name"] for node in manifest["sources"].values() if node["source_name"] == source)


def _read_activation(
    manifest: Mapping[str, Any], exposure: Mapping[str, Any], mistakes: list[Mistake]
) -> Activation | None:
    """One exposure; None where too much of it is wrong. A mistake in one part does not hide those in another."""
    place = Place(exposure["original_file_path"], exposure["name"])
    declared = exposure["config"]["meta"]["activation"]
    meta = _parse(_ActivationMeta, declared, place, "meta.activation.", mistakes)
    connector = _connector(declared, place, mistakes)
    models = _models(manifest, exposure, place, mistakes)
    if not models:
        return None
    sync, plan = models[0], models[-1]
    # Columns are declared in the YAML beside the model, which dbt calls its patch.
    path = (sync.get("patch_path") or sync["original_file_path"]).rpartition("://")[2]
    place = replace(place, file=path)
    if meta is not None and meta.key not in _primary_key(sync):
        what = f"key {meta.key} is not the primary key of {sync['name']}"
        mistakes.append(Mistake(place, what, "declare it as one"))
    of_events = meta is not None and meta.kind == "events"
    parser = _EventPropertyMeta if of_events else _PropertyMeta
    properties = _read_properties(sync, connector, place, mistakes, _accepted(manifest, sync), parser)
    if meta is None or connector is None:
        return None
    events = _events(manifest, sync, meta, connector, properties, place, mistakes)
    if len(models) < len(_KINDS):
        return None
    return Activation(
        name=exposure["name"],
        destination=connector.name,
        object=meta.object,
        key=meta.key,
        group=meta.group,
        properties=properties,
        guards=Guards(**meta.guards.model_dump()),
        sync_relation=_relation(sync),
        plan_relation=_relation(plan),
        path=path,
        models=tuple(_model(node) for node in models),
        written=tuple(_model(node) for node in _written(manifest, models[1], sync)),
        kind=meta.kind,
        events=events,
        external_id=next((item.name for item in properties if item.column == meta.key), None) if of_events else None,
    )


def _model(node: Mapping[str, Any]) -> Model:
    file = f"run/{node['package_name']}/{node['original_file_path']}"
    return Model(node["unique_id"], file, _relation(node))


def _events(  # noqa: PLR0913, PLR0917  what is declared, and where mistakes go
    manifest: Mapping[str, Any],
    sync: Mapping[str, Any],
    meta: _ActivationMeta,
    connector: Connector,
    properties: Sequence[Property],
    place: Place,
    mistakes: list[Mistake],
) -> tuple[EventType, ...]:
    """The events that an activation sends; none where it is not of events."""
    if not meta.create_contacts and "max_creates" in meta.guards.model_fields_set:
        what = "meta.activation.guards.max_creates: nobody is created"
        mistakes.append(Mistake(place, what, "drop it, or declare create_contacts: true"))
    if meta.kind != "events":
        if meta.events is not None or meta.create_contacts:
            what = "meta.activation: only an activation of kind events has events, or creates contacts for them"
            mistakes.append(Mistake(place, what, "drop it, or declare kind: events"))
        return ()
    wrong = list(misshapen(sync["columns"], meta.key, properties, connector))
    if meta.create_contacts and connector.events is not None and not connector.events.creates:
        wrong.append((f"no record of {connector.title} is created for an event", "drop create_contacts"))
    found: tuple[EventType, ...] = ()
    if meta.events is None:
        wrong.append(("meta.activation.events: missing", "name the seed that says which events are sent"))
    else:
        found, of_seed = read_event_types(manifest, meta.events, properties, connector)
        wrong += of_seed
    mistakes += [Mistake(place, what, mend) for what, mend in wrong]
    return found


def _connector(declared: object, place: Place, mistakes: list[Mistake]) -> Connector | None:
    name = declared.get("destination") if isinstance(declared, dict) else None
    if not isinstance(name, str):
        return None  # told by the parser of the whole
    known = connectors()
    if name not in known:
        close = get_close_matches(name, known, n=1)
        mend = f"did you mean {close[0]}?" if close else f"known destinations: {', '.join(known)}"
        mistakes.append(Mistake(place, f"meta.activation.destination: no destination is called {name}", mend))
    return known.get(name)


# The models of an activation, in the order of their building.
_KINDS = ("sync", "diff", "plan")
# The source that the journals are landed as, and what dbt keeps as tables.
_LEDGER = "ledger"
_TABLES = frozenset({"table", "incremental"})


def _models(
    manifest: Mapping[str, Any], exposure: Mapping[str, Any], place: Place, mistakes: list[Mistake]
) -> Sequence[Mapping[str, Any]]:
    """The sync model of an exposure, and as many of the diff and plan models that follow from it as there are."""
    parents = [name for name in exposure["depends_on"]["nodes"] if name.startswith("model.")]
    if len(parents) != 1:
        mistakes.append(Mistake(place, f"depends on {len(parents)} models", "name exactly one sync_ model"))
        return ()
    sync = manifest["nodes"][parents[0]]
    if not sync["config"].get("contract", {}).get("enforced"):
        what = f"{sync['name']} has no enforced contract"
        mistakes.append(Mistake(place, what, "set contract.enforced to true"))
    models = [sync]
    by_name = {node["name"]: node for node in manifest["nodes"].values() if node["resource_type"] == "model"}
    for kind in _KINDS[1:]:
        name = f"{kind}_{sync['name'].removeprefix('sync_')}"
        if models[-1]["unique_id"] not in by_name.get(name, {"depends_on": {"nodes": []}})["depends_on"]["nodes"]:
            what = f"no model {name} depends on {models[-1]['name']}"
            mistakes.append(Mistake(place, what, "add one in models/plans"))
            break
        models.append(by_name[name])
    return models


def _written(
    manifest: Mapping[str, Any], diff: Mapping[str, Any], sync: Mapping[str, Any]
) -> Iterator[Mapping[str, Any]]:
    """The tables between the ledger and a diff model, but for what the sync model reads; a view is never behind."""
    knows: dict[str, bool] = {}

    def reads_ledger(name: str) -> bool:
        if name not in knows:
            node = manifest["nodes"].get(name) or manifest["sources"].get(name) or {}
            knows[name] = False
            # Every parent is looked at, so that each is known.
            parents = [reads_ledger(parent) for parent in node.get("depends_on", {}).get("nodes", ())]
            knows[name] = node.get("source_name") == _LEDGER or any(parents)
        return knows[name]

    for name in diff["depends_on"]["nodes"]:
        if name != sync["unique_id"]:
            reads_ledger(name)
    for name in sorted(name for name, does in knows.items() if does and name in manifest["nodes"]):
        node = manifest["nodes"][name]
        if node["config"].get("materialized") in _TABLES:
            yield node


def _accepted(manifest: Mapping[str, Any], model: Mapping[str, Any]) -> Mapping[str, tuple[str, ...]]:
    """By column: the values that a data test of the model, `accepted_values`, lets through."""
    accepted: dict[str, tuple[str, ...]] = {}
    for node in manifest["nodes"].values():
        test = node.get("test_metadata") or {}
        if (
            node["resource_type"] == "test"
            and test.get("name") == "accepted_values"
            and node.get("attached_node") == model["unique_id"]
        ):
            accepted[node["column_name"]] = tuple(str(value) for value in test["kwargs"]["values"])
    return accepted


def _read_properties(  # noqa: PLR0913, PLR0917  what is declared, and where mistakes go
    sync: Mapping[str, Any],
    connector: Connector | None,
    place: Place,
    mistakes: list[Mistake],
    accepted: Mapping[str, tuple[str, ...]],
    parser: type[_EventPropertyMeta],
) -> tuple[Property, ...]:
    # A column without meta is the model's own business; meta with a slip of the pen would silently send nothing.
    declared = [column for column in sync["columns"].values() if column["config"].get("meta")]
    if not declared:
        mistakes.append(Mistake(place, f"no column of {sync['name']} has a meta.property", "nothing to send"))
    found = (
        _read_property(column, connector, replace(place, column=column["name"]), mistakes, accepted, parser)
        for column in declared
    )
    return tuple(item for item in found if item is not None)


def _read_property(  # noqa: PLR0913, PLR0917  the same
    column: Mapping[str, Any],
    connector: Connector | None,
    place: Place,
    mistakes: list[Mistake],
    accepted: Mapping[str, tuple[str, ...]],
    parser: type[_EventPropertyMeta],
) -> Property | None:
    declared = _parse(parser, column["config"]["meta"], place, "meta.", mistakes)
    column_type = ColumnType.parse(column.get("data_type") or "")
    if column_type is None:
        kind = column.get("data_type") or "no data_type"
        mend = "cast it to text, a number, a date or a boolean"
        mistakes.append(Mistake(place, f"no CRM field can hold {kind}", mend))
    if declared is None or column_type is None:
        return None
    if connector is not None and column_type.family not in connector.holds:
        mend = "cast it to a timestamp, or to text" if column_type.family == "date" else "cast it to text"
        mistakes.append(Mistake(place, f"no {connector.title} field can hold a {column_type.family}", mend))
        return None
    if connector is not None and not connector.legal_name.fullmatch(declared.property):
        mistakes.append(Mistake(place, f"property {declared.property} cannot exist", connector.name_rule))
        return None
    name = column["name"]
    return Property(declared.property, name, column_type, declared.label, column["description"], accepted.get(name, ()))


def _parse(model: type[_Meta], meta: object, place: Place, prefix: str, mistakes: list[Mistake]) -> _Meta | None:
    try:
        return model.model_validate(meta)
    except ValidationError as error:
        mistakes += [Mistake(place, f"{prefix}{what}", mend) for what, mend in _explain(error, model)]
        return None


def _explain(error: ValidationError, model: type[BaseModel]) -> Iterator[tuple[str, str]]:
    for mistake in error.errors(include_url=False):
        name = ".".join(str(part) for part in mistake["loc"])
        if mistake["type"] == "missing":
            yield f"{name}: missing", "add it"
        elif mistake["type"] == "extra_forbidden":
            known = list(model.model_fields if len(mistake["loc"]) == 1 else _GuardsMeta.model_fields)
            close = get_close_matches(str(mistake["loc"][-1]), known, n=1)
            yield f"{name}: unknown key", f"did you mean {close[0]}?" if close else f"known keys: {', '.join(known)}"
        else:
            yield f"{name}: {mistake['msg'][0].lower()}{mistake['msg'][1:]}", "correct it"


def _properties_claimed_twice(activations: Sequence[Activation]) -> Iterator[Mistake]:
    claims: dict[tuple[str, str, str], tuple[str, str]] = {}
    for activation in activations:
        for item in activation.properties:
            place = (activation.destination, activation.object.lower(), item.name.lower())
            if place in claims:
                column, first = claims[place]
                what = f"property {item.name} is already filled by {column} of {first}"
                yield Mistake(Place(activation.path, activation.name, item.column), what, "keep one of them")
            claims.setdefault(place, (item.column, activation.name))


def _primary_key(model: Mapping[str, Any]) -> set[str]:
    of_columns = {
        name
        for name, column in model["columns"].items()
        for constraint in column["constraints"]
        if constraint["type"] == "primary_key"
    }
    of_model = {
        name
        for constraint in model["constraints"]
        if constraint["type"] == "primary_key" and len(constraint["columns"]) == 1
        for name in constraint["columns"]
    }
    return of_columns | of_model


def _relation(node: Mapping[str, Any]) -> str:
    """The quoted name without the database, which is the warehouse file itself."""
    return f'"{node["schema"]}"."{node["alias"]}"'
