"""What goes into a load and what comes out of it.

LoadError          what failed, where, and how to mend it, in one line
  ├── TooLong      the vendor gave up on a call that asked for too much: ask for less
  ├── Refused      the vendor does not take a call as it is
  └── Unreadable   the vendor gave an answer that is not what its answers are
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Protocol


class LoadError(Exception):
    """A load that cannot go on; the message is one line and says how to mend it."""


class TooLong(LoadError):
    """The vendor ran out of time on one call."""


class Unreadable(LoadError):
    """The vendor gave an answer that is not what its answers are."""


class Refused(LoadError):
    """The vendor does not take a call as it is (a status of the four hundreds): asking again is no use."""


class Forbidden(LoadError):
    """The credentials lack what one call takes; others may work all the same."""


class Turns(Protocol):
    """A limit that others keep, too."""

    def turn_in_thread(self) -> AbstractContextManager[None]:
        """Wait until a call may leave; it has been answered when the block ends."""


@dataclass(frozen=True, slots=True)
class LoadSettings:
    """Where the warehouse is and how to reach the vendors.

    `salesforce_bulk_above` is how many rows of one object are still read page by page, by REST.
    `files` declares product usage that comes from files.
    `syncs_dir` has the logbooks of syncs, which are landed with the journals.
    `same_subscription` says of a new Pendo key that it is one of the subscription whose rows are landed.
    `hubspot_window` holds HubSpot's calls back together with those of other programs that use the same token.
    `unpaced` leaves the vendors' rate limits alone: for servers on this machine that have none.
    """

    warehouse: Path
    pipelines_dir: Path
    journal_dir: Path
    hubspot_base_url: str = ""
    hubspot_access_token: str = field(default="", repr=False)
    salesforce_base_url: str = ""
    salesforce_client_id: str = field(default="", repr=False)
    salesforce_client_secret: str = field(default="", repr=False)
    salesforce_bulk_above: int = 20_000
    pendo_base_url: str = ""
    pendo_integration_key: str = field(default="", repr=False)
    same_subscription: bool = False
    files: Path = Path("files.toml")
    syncs_dir: Path | None = None
    hubspot_window: Turns | None = field(default=None, repr=False)
    unpaced: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """CRM properties to land, by object: those that models read, and those that activations write.

    A property that an activation writes may be missing in the CRM until it is provisioned.
    Of HubSpot also: from which object to which other its associations are landed, which properties
    with their history, and whether with what each contact's address has subscribed to and with the definitions of
    custom events. Of Pendo which tables; None for all.
    Of Salesforce how often fields that change without a trace, such as formulas, are read again; daily by default.
    """

    hubspot: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    salesforce: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    hubspot_activated: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    salesforce_activated: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    hubspot_associations: tuple[tuple[str, str], ...] = ()
    hubspot_history: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    hubspot_subscriptions: bool = False
    hubspot_events: bool = False
    pendo: frozenset[str] | None = None
    salesforce_formulas: Mapping[str, timedelta] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Landing:
    """One table of one load: rows landed, seconds spent reading them from the vendor, and what to tell a person."""

    vendor: str
    table: str
    rows: int
    seconds: float
    note: str = ""
