"""Read what the dbt project declares: exposures, sync models and columns become `Activation`s.

Reads `manifest.json` only, never dbt itself, so it costs milliseconds. Writes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

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
                    precision, _, scale = arguments.rstrip(")").partition(",")
                    return cls(family, int(scale or 0), int(precision))
                return cls(family, 8 if name in {"double", "float"} else 0)
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
class Activation:
    """One declared push: a sync model, the CRM object it describes, and the rules of the sending."""

    name: str
    destination: Destination
    object: str
    key: str
    group: str
    properties: tuple[Property, ...]
    guards: Guards
    sync_id: str
    sync_relation: str
    plan_relation: str
    path: str


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


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
    except orjson.JSONDecodeError as error:
        raise DeclarationError(f"{path}: not JSON ({error}); run `dbt parse`") from None
    return manifest


def read_activations(manifest: Mapping[str, Any]) -> tuple[Activation, ...]:
    """Every enabled exposure with `config.meta.activation`, by name.

    Raises DeclarationError with one line for each mistake in any of them.
    """
    mistakes: list[str] = []
    activations: list[Activation] = []
    for exposure in sorted(manifest["exposures"].values(), key=lambda node: str(node["name"])):
        if "activation" in exposure["config"].get("meta", {}):
            found = _read_activation(manifest, exposure)
            if isinstance(found, Activation):
                activations.append(found)
            else:
                mistakes += found
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


def _read_activation(manifest: Mapping[str, Any], exposure: Mapping[str, Any]) -> Activation | list[str]:
    where = f"{exposure['original_file_path']}: exposure {exposure['name']}"
    try:
        meta = _ActivationMeta.model_validate(exposure["config"]["meta"]["activation"])
    except ValidationError as error:
        return [f"{where}: meta.activation.{line}" for line in _explain(error, _ActivationMeta)]

    models = [name for name in exposure["depends_on"]["nodes"] if name.startswith("model.")]
    if len(models) != 1:
        return [f"{where}: depends on {len(models)} models; name exactly one sync_ model"]
    sync = manifest["nodes"][models[0]]
    if not sync["config"].get("contract", {}).get("enforced"):
        return [f"{where}: {sync['name']} has no enforced contract; set contract.enforced to true"]
    plan = _plan_of(manifest, sync)
    if plan is None:
        return [f"{where}: no model plan_{_suffix(sync)} depends on it; add one in models/plans"]

    where = f"{sync['original_file_path']}: exposure {exposure['name']}"
    mistakes = (
        []
        if meta.key in _primary_key(sync)
        else [f"{where}: key {meta.key} is not the primary key of {sync['name']}; declare it as one"]
    )
    properties: list[Property] = []
    for column in sync["columns"].values():
        found = _read_property(column, meta.destination, where)
        if isinstance(found, Property):
            properties.append(found)
        elif found:
            mistakes += found
    if not properties and not mistakes:
        mistakes.append(f"{where}: no column of {sync['name']} has a meta.property; nothing to send")
    if mistakes:
        return mistakes
    return Activation(
        name=exposure["name"],
        destination=meta.destination,
        object=meta.object,
        key=meta.key,
        group=meta.group,
        properties=tuple(properties),
        guards=Guards(**meta.guards.model_dump()),
        sync_id=sync["unique_id"],
        sync_relation=_relation(sync),
        plan_relation=_relation(plan),
        path=sync["original_file_path"],
    )


def _read_property(column: Mapping[str, Any], destination: Destination, where: str) -> Property | list[str] | None:
    meta = column["config"].get("meta", {})
    at = f"{where}: column {column['name']}"
    if "property" not in meta:
        # A label without a property is a slip of the pen that would silently send nothing.
        stray = sorted(set(meta) & set(_PropertyMeta.model_fields))
        return [f"{at}: meta.{stray[0]} without meta.property; name the property"] if stray else None
    try:
        declared = _PropertyMeta.model_validate(meta)
    except ValidationError as error:
        return [f"{at}: meta.{line}" for line in _explain(error, _PropertyMeta)]
    legal, rule = _LEGAL_NAMES[destination]
    if not legal.fullmatch(declared.property):
        return [f"{at}: property {declared.property} cannot exist; {rule}"]
    column_type = ColumnType.parse(column.get("data_type") or "")
    if column_type is None:
        kind = column.get("data_type") or "no data_type"
        return [f"{at}: no CRM field can hold {kind}; cast it to text, a number, a date or a boolean"]
    return Property(declared.property, column["name"], column_type, declared.label, column["description"])


def _explain(error: ValidationError, model: type[BaseModel]) -> Iterator[str]:
    for mistake in error.errors(include_url=False):
        name = ".".join(str(part) for part in mistake["loc"])
        if mistake["type"] == "extra_forbidden":
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


def _plan_of(manifest: Mapping[str, Any], sync: Mapping[str, Any]) -> Mapping[str, Any] | None:
    name = f"plan_{_suffix(sync)}"
    return next(
        (node for node in manifest["nodes"].values() if node["resource_type"] == "model" and node["name"] == name),
        None,
    )


def _suffix(sync: Mapping[str, Any]) -> str:
    return str(sync["name"]).removeprefix("sync_")


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
