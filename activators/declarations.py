"""Read what the dbt project declares: exposures, sync models and columns become `Activation`s.

Reads `manifest.json` only, never dbt itself, so it costs milliseconds. Writes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from activators.errors import DeclarationError

Destination = Literal["hubspot", "salesforce"]
Family = Literal["string", "number", "boolean", "date", "datetime"]

# What a field of the destination may be called, and why a name is refused.
_LEGAL_NAMES: Mapping[Destination, tuple[re.Pattern[str], str]] = {
    "hubspot": (
        re.compile(r"(?!hs_)[a-z][a-z0-9_]{0,99}"),
        "a HubSpot name is lower-case letters, digits and _, starts with a letter and not with hs_",
    ),
    "salesforce": (
        re.compile(r"(?!.*___)[A-Za-z](?:[A-Za-z0-9]|_(?!_)){0,39}(?<!_)(?:__c)?"),
        "a Salesforce custom field is letters, digits and single _ (40 at most), then __c",
    ),
}
_FAMILIES: tuple[tuple[str, Family], ...] = (
    (r"varchar|text|string", "string"),
    (r"tinyint|smallint|integer|int|bigint|double|float|decimal|numeric", "number"),
    (r"boolean", "boolean"),
    (r"date", "date"),
    (r"timestamp with time zone|timestamptz|timestamp", "datetime"),
)


# Digits after the point where the type does not say.
_SCALES = {"double": 8, "float": 8, "decimal": 3, "numeric": 3}


@dataclass(frozen=True, slots=True)
class ColumnType:
    """A warehouse column's type, as far as a CRM field has to hold it."""

    family: Family
    scale: int = 0
    precision: int = 18

    @classmethod
    def parse(cls, data_type: str) -> ColumnType | None:
        """Read a contract's `data_type`; None when no CRM field could hold such a type."""
        text = data_type.strip().lower()
        name, _, arguments = text.partition("(")
        for pattern, family in _FAMILIES:
            if re.fullmatch(pattern, name.strip()):
                if family != "number":
                    return cls(family)
                if arguments:
                    digits = re.fullmatch(r"(\d+)\s*(?:,\s*(\d+))?\s*\)", arguments)
                    return cls(family, int(digits[2] or 0), int(digits[1])) if digits else None
                return cls(family, _SCALES.get(name.strip(), 0))
        return None


@dataclass(frozen=True, slots=True)
class Property:
    """One column of a sync model and the CRM property that it fills."""

    name: str
    column: str
    type: ColumnType
    label: str
    description: str


@dataclass(frozen=True, slots=True)
class Guards:
    """Shares (0 to 1) past which a plan is refused until a person confirms it."""

    max_change_share: float = 0.5
    max_clear_share: float = 0.1
    max_quota_share: float = 0.5


@dataclass(frozen=True, slots=True)
class Model:
    """One dbt model: its id, and the file below dbt's target folder that dbt writes whenever it builds the model."""

    id: str
    file: str

    @property
    def name(self) -> str:
        """The model's own name."""
        return self.id.rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class Activation:
    """One declared push: a sync model, the CRM object it describes, and the rules of the sending."""

    name: str
    destination: Destination
    object: str
    key: str
    group: str
    properties: tuple[Property, ...]
    guards: Guards
    sync_relation: str
    plan_relation: str
    path: str
    # The sync, diff and plan models, in the order of their building.
    models: tuple[Model, ...]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


_Meta = TypeVar("_Meta", bound=_Strict)


class _GuardsMeta(_Strict):
    max_change_share: float = Field(default=0.5, ge=0, le=1)
    max_clear_share: float = Field(default=0.1, ge=0, le=1)
    max_quota_share: float = Field(default=0.5, gt=0, le=1)


class _ActivationMeta(_Strict):
    destination: Destination
    object: str = Field(min_length=1)
    key: str = Field(min_length=1)
    group: str = "backhaul"
    guards: _GuardsMeta = _GuardsMeta()


class _PropertyMeta(_Strict):
    property: str = Field(min_length=1)
    label: str = Field(min_length=1)
    write: Literal["always", "fill_empty"] = "always"
    on_null: Literal["keep", "clear"] = "keep"
    on_conflict: Literal["overwrite", "keep", "hold"] = "hold"


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
    mistakes: list[str] = []
    activations: list[Activation] = []
    for exposure in sorted(manifest["exposures"].values(), key=lambda node: str(node["name"])):
        if "activation" in exposure["config"].get("meta", {}):
            try:
                activations.append(_read_activation(manifest, exposure))
            except DeclarationError as error:
                mistakes.append(str(error))
    mistakes += _properties_claimed_twice(activations)
    if mistakes:
        raise DeclarationError("\n".join(mistakes))
    return tuple(activations)


def landed_objects(manifest: Mapping[str, Any], source: str) -> dict[str, tuple[str, ...]]:
    """The columns that the project's YAML lists for each table of a source that lands a CRM object (`meta.object`)."""
    return {
        str(node["config"]["meta"]["object"]): tuple(node["columns"])
        for node in manifest["sources"].values()
        if node["source_name"] == source and "object" in node["config"].get("meta", {})
    }


def _read_activation(manifest: Mapping[str, Any], exposure: Mapping[str, Any]) -> Activation:
    where = f"{exposure['original_file_path']}: exposure {exposure['name']}"
    meta = _parse(_ActivationMeta, exposure["config"]["meta"]["activation"], f"{where}: meta.activation.")
    models = _models(manifest, exposure, where)
    sync, plan = models[0], models[-1]
    # Columns are declared in the YAML beside the model, which dbt calls its patch.
    path = (sync.get("patch_path") or sync["original_file_path"]).rpartition("://")[2]
    where = f"{path}: exposure {exposure['name']}"
    if meta.key not in _primary_key(sync):
        raise DeclarationError(f"{where}: key {meta.key} is not the primary key of {sync['name']}; declare it as one")
    return Activation(
        name=exposure["name"],
        destination=meta.destination,
        object=meta.object,
        key=meta.key,
        group=meta.group,
        properties=_read_properties(sync, meta.destination, where),
        guards=Guards(**meta.guards.model_dump()),
        sync_relation=_relation(sync),
        plan_relation=_relation(plan),
        path=path,
        models=tuple(
            Model(node["unique_id"], f"run/{node['package_name']}/{node['original_file_path']}") for node in models
        ),
    )


def _models(manifest: Mapping[str, Any], exposure: Mapping[str, Any], where: str) -> tuple[Mapping[str, Any], ...]:
    """The sync model of an exposure, and the diff and plan models that follow from it."""
    parents = [name for name in exposure["depends_on"]["nodes"] if name.startswith("model.")]
    if len(parents) != 1:
        raise DeclarationError(f"{where}: depends on {len(parents)} models; name exactly one sync_ model")
    sync = manifest["nodes"][parents[0]]
    if not sync["config"].get("contract", {}).get("enforced"):
        raise DeclarationError(f"{where}: {sync['name']} has no enforced contract; set contract.enforced to true")
    models = [sync]
    by_name = {node["name"]: node for node in manifest["nodes"].values() if node["resource_type"] == "model"}
    for kind in ("diff", "plan"):
        name = f"{kind}_{sync['name'].removeprefix('sync_')}"
        if models[-1]["unique_id"] not in by_name.get(name, {"depends_on": {"nodes": []}})["depends_on"]["nodes"]:
            raise DeclarationError(f"{where}: no model {name} depends on {models[-1]['name']}; add one in models/plans")
        models.append(by_name[name])
    return tuple(models)


def _read_properties(sync: Mapping[str, Any], destination: Destination, where: str) -> tuple[Property, ...]:
    properties: list[Property] = []
    mistakes: list[str] = []
    for column in sync["columns"].values():
        # A column without meta is the model's own business; meta with a slip of the pen would silently send nothing.
        if column["config"].get("meta"):
            try:
                properties.append(_read_property(column, destination, f"{where}: column {column['name']}"))
            except DeclarationError as error:
                mistakes.append(str(error))
    if not properties and not mistakes:
        mistakes.append(f"{where}: no column of {sync['name']} has a meta.property; nothing to send")
    if mistakes:
        raise DeclarationError("\n".join(mistakes))
    return tuple(properties)


def _read_property(column: Mapping[str, Any], destination: Destination, where: str) -> Property:
    declared = _parse(_PropertyMeta, column["config"]["meta"], f"{where}: meta.")
    legal, rule = _LEGAL_NAMES[destination]
    if not legal.fullmatch(declared.property):
        raise DeclarationError(f"{where}: property {declared.property} cannot exist; {rule}")
    column_type = ColumnType.parse(column.get("data_type") or "")
    if column_type is None:
        kind = column.get("data_type") or "no data_type"
        raise DeclarationError(f"{where}: no CRM field can hold {kind}; cast it to text, a number, a date or a boolean")
    return Property(declared.property, column["name"], column_type, declared.label, column["description"])


def _parse(model: type[_Meta], meta: object, where: str) -> _Meta:
    try:
        return model.model_validate(meta)
    except ValidationError as error:
        raise DeclarationError("\n".join(f"{where}{line}" for line in _explain(error, model))) from None


def _explain(error: ValidationError, model: type[BaseModel]) -> Iterator[str]:
    for mistake in error.errors(include_url=False):
        name = ".".join(str(part) for part in mistake["loc"])
        if mistake["type"] == "missing":
            yield f"{name}: missing; add it"
        elif mistake["type"] == "extra_forbidden":
            known = list(model.model_fields if len(mistake["loc"]) == 1 else _GuardsMeta.model_fields)
            close = get_close_matches(str(mistake["loc"][-1]), known, n=1)
            mend = f"did you mean {close[0]}?" if close else f"known keys: {', '.join(known)}"
            yield f"{name}: unknown key; {mend}"
        else:
            yield f"{name}: {mistake['msg'][0].lower()}{mistake['msg'][1:]}"


def _properties_claimed_twice(activations: list[Activation]) -> Iterator[str]:
    claims: dict[tuple[str, str, str], tuple[str, str]] = {}
    for activation in activations:
        for item in activation.properties:
            place = (activation.destination, activation.object.lower(), item.name.lower())
            if place in claims:
                column, first = claims[place]
                yield (
                    f"{activation.path}: exposure {activation.name}: column {item.column}: property "
                    f"{item.name} is already filled by {column} of {first}; keep one of them"
                )
            claims.setdefault(place, (item.column, activation.name))


def _model(manifest: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    nodes = manifest["nodes"].values()
    return next((node for node in nodes if node["resource_type"] == "model" and node["name"] == name), None)


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
