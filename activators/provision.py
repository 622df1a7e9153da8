"""Create in the CRMs what the activations declare and the CRMs lack: groups, properties, fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from activators.activation import Activation, Property
from activators.connectors import Destination, EventDestination, Lacking
from activators.declarations import wrong_type
from activators.destinations import connectors, for_events
from activators.errors import DeclarationError


@dataclass(frozen=True, slots=True)
class Provisioned:
    """What was created for one activation."""

    activation: str
    created: tuple[str, ...]
    existing: int


async def provision(
    activations: Sequence[Activation], destinations: Mapping[str, Destination]
) -> tuple[Provisioned, ...]:
    """Create every missing property.

    Raises DeclarationError, before anything is created, when the CRM has a property of that name with a type that
    cannot hold the column's values.
    """
    work: list[tuple[Activation, tuple[Property, ...]]] = []
    defining: list[tuple[Activation, EventDestination, Lacking]] = []
    mistakes: list[str] = []
    for activation in activations:
        if activation.kind == "events":
            account = destinations[activation.destination]
            taking = for_events(activation.destination, account, activation.external_id)
            wanted = await taking.lacking(activation)
            mistakes += wanted.mistakes
            defining.append((activation, taking, wanted))
            continue
        found = await destinations[activation.destination].definitions(activation.object)
        mistakes += misfits(activation, found)
        work.append((activation, missing(activation, found)))
    if mistakes:
        raise DeclarationError("\n".join(mistakes))
    for activation, lacking in work:
        if lacking:
            await destinations[activation.destination].create(activation, lacking)
    for activation, taking, wanted in defining:
        if wanted.names:
            await taking.define(activation)
    done = {
        activation.name: Provisioned(
            activation.name,
            tuple(item.name for item in lacking),
            len(activation.properties) - len(lacking),
        )
        for activation, lacking in work
    }
    done |= {
        activation.name: Provisioned(activation.name, wanted.names, wanted.existing)
        for activation, _, wanted in defining
    }
    return tuple(done[activation.name] for activation in activations)


def missing(activation: Activation, found: Mapping[str, str]) -> tuple[Property, ...]:
    """The declared properties that the CRM lacks. `found` gives types by lower-case name."""
    return tuple(item for item in activation.properties if item.name.lower() not in found)


def misfits(activation: Activation, found: Mapping[str, str]) -> list[str]:
    """A line for each property that the CRM has with a type that cannot hold the column."""
    holds = connectors()[activation.destination].holds
    return [
        str(wrong_type(activation, item, found[item.name.lower()]))
        for item in activation.properties
        if item.name.lower() in found and found[item.name.lower()] not in holds[item.type.family]
    ]
