"""What goes into a load and what comes out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


class LoadError(Exception):
    """A load that cannot go on; the message is one line and says how to mend it."""


class TooLong(LoadError):
    """The vendor ran out of time on one call."""


@dataclass(frozen=True, slots=True)
class LoadSettings:
    """Where the warehouse is and how to reach the vendors."""

    warehouse: Path
    pipelines_dir: Path
    journal_dir: Path
    hubspot_base_url: str = ""
    hubspot_access_token: str = field(default="", repr=False)
    salesforce_base_url: str = ""
    salesforce_client_id: str = field(default="", repr=False)
    salesforce_client_secret: str = field(default="", repr=False)
    pendo_base_url: str = ""
    pendo_integration_key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Wanted:
    """CRM properties to land, by object: those that models read, and those that activations write.

    A property that an activation writes may be missing in the CRM until it is provisioned.
    """

    hubspot: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    salesforce: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    hubspot_activated: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    salesforce_activated: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Landing:
    """One table of one load: rows landed, and seconds spent reading them from the vendor."""

    vendor: str
    table: str
    rows: int
    seconds: float
