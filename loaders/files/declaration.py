"""files.toml: where product-analytics files are, and what their columns mean."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from loaders.values import LoadError

Format = Literal["parquet", "csv", "jsonl"]


def _is_a_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("is no time zone; give a name such as America/New_York")
    return name


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class EventColumns(_Strict):
    """Which column of the files, or key of their lines, holds what."""

    visitor_id: str
    time: str
    account_id: str | None = None
    app_id: str | None = None
    type: str | None = None
    name: str | None = None
    duration: str | None = None


class Events(_Strict):
    """Files of events, one row an event."""

    path: str
    format: Format
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    time_unit: Literal["s", "ms", "us"] | None = None
    vanished: Literal["refuse", "keep", "remove"] = "refuse"
    columns: EventColumns

    @property
    def mapping(self) -> dict[str, str]:
        """Give the files' column for each of ours."""
        return {name: column for name, column in self.columns.model_dump().items() if column is not None}


class Attributes(_Strict):
    """Files that describe visitors or accounts, one row each."""

    path: str
    format: Format
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    id: str
    attributes: dict[str, str]

    @property
    def mapping(self) -> dict[str, str]:
        """Give the files' column for each of ours."""
        return {**self.attributes, "id": self.id}


class Declaration(_Strict):
    """What files.toml says; `time_zone` is the one whose midnights divide the days."""

    time_zone: Annotated[str, AfterValidator(_is_a_zone)]
    events: Events
    visitors: Attributes | None = None
    accounts: Attributes | None = None


def read_declaration(path: Path) -> Declaration:
    """Read the declaration; LoadError that names the key and the mend."""
    try:
        return Declaration.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise LoadError(f"there is no {path}: write it as docs/files.md shows, to load events from files") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LoadError(f"{path} is not TOML: {error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        raise LoadError(f"{path}: {key}: {_said(first['type'], first['msg'])}") from error


def _said(kind: str, message: str) -> str:
    match kind:
        case "missing":
            return "is missing; docs/files.md shows every key"
        case "extra_forbidden":
            return "is no key that there is; docs/files.md lists them"
        case _:
            return message.removeprefix("Value error, ")
