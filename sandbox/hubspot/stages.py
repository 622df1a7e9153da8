"""Pipelines and their stages: what deals and tickets go through."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sandbox.hubspot.definitions import Option
from sandbox.hubspot.objecttypes import LIFECYCLE_STAGES

LONG_AGO = "1970-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of a pipeline; `metadata` holds texts, as `{"probability": "0.2"}` of a deal's."""

    id: str
    label: str
    order: int
    metadata: Mapping[str, str]
    created_at: str = LONG_AGO
    updated_at: str = LONG_AGO

    def shown(self) -> dict[str, object]:
        """Give the stage as the API does."""
        return {
            "label": self.label,
            "displayOrder": self.order,
            "metadata": dict(self.metadata),
            "id": self.id,
            "createdAt": self.created_at,
            "updatedAt": self.updated_at,
            "writePermissions": "CRM_PERMISSIONS_ENFORCEMENT",
            "archived": False,
        }


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A row of stages, by id."""

    id: str
    label: str
    order: int
    stages: Mapping[str, Stage] = field(default_factory=dict)
    created_at: str = LONG_AGO
    updated_at: str = LONG_AGO

    def shown(self) -> dict[str, object]:
        """Give the pipeline as the API does, its stages in their order."""
        return {
            "label": self.label,
            "displayOrder": self.order,
            "id": self.id,
            "stages": [stage.shown() for stage in in_order(self.stages.values())],
            "createdAt": self.created_at,
            "updatedAt": self.updated_at,
            "archived": False,
        }


def in_order(stages: Iterable[Stage]) -> list[Stage]:
    """Sort stages as they follow each other."""
    return sorted(stages, key=lambda stage: (stage.order, stage.label))


def options(pipelines: Iterable[Pipeline]) -> tuple[tuple[Option, ...], tuple[Option, ...]]:
    """Give the options of a type's pipeline property and of its stage property."""
    rows = sorted(pipelines, key=lambda pipeline: (pipeline.order, pipeline.label))
    stages = [stage for row in rows for stage in in_order(row.stages.values())]
    return (
        tuple(Option(row.label, row.id, row.order) for row in rows),
        tuple(Option(stage.label, stage.id, stage.order) for stage in stages),
    )


def facts(type_name: str, stage: Stage) -> dict[str, str]:
    """Work out what a record's stage says about it."""
    if type_name == "tickets":
        return {"hs_is_closed": "true" if stage.metadata.get("ticketState") == "CLOSED" else "false"}
    if type_name != "deals":
        return {}
    probability = stage.metadata.get("probability", "0.0")
    return {
        "hs_deal_stage_probability": probability,
        "hs_is_closed": stage.metadata.get("isClosed", "false"),
        "hs_is_closed_won": "true" if float(probability) == 1 else "false",
    }


def _stages(*rows: tuple[str, str, dict[str, str]]) -> dict[str, Stage]:
    return {name: Stage(name, label, order, metadata) for order, (name, label, metadata) in enumerate(rows)}


def _deal(probability: str) -> dict[str, str]:
    return {"isClosed": "true" if probability in {"0.0", "1.0"} else "false", "probability": probability}


def standard_pipelines() -> dict[str, dict[str, Pipeline]]:
    """Give the pipelines that a new account has, by object type and id."""
    sales = _stages(
        ("appointmentscheduled", "Appointment Scheduled", _deal("0.2")),
        ("qualifiedtobuy", "Qualified To Buy", _deal("0.4")),
        ("presentationscheduled", "Presentation Scheduled", _deal("0.6")),
        ("decisionmakerboughtin", "Decision Maker Bought-In", _deal("0.8")),
        ("contractsent", "Contract Sent", _deal("0.9")),
        ("closedwon", "Closed Won", _deal("1.0")),
        ("closedlost", "Closed Lost", _deal("0.0")),
    )
    support = _stages(
        ("1", "New", {"ticketState": "OPEN", "isClosed": "false"}),
        ("2", "Waiting on contact", {"ticketState": "OPEN", "isClosed": "false"}),
        ("3", "Waiting on us", {"ticketState": "OPEN", "isClosed": "false"}),
        ("4", "Closed", {"ticketState": "CLOSED", "isClosed": "true"}),
    )
    # People and companies go through their lifecycle, which is shown as a pipeline.
    lifecycle = _stages(
        *((name, name.capitalize(), {"isClosed": "false", "state": "OPEN"}) for name in LIFECYCLE_STAGES)
    )
    lives = {
        name: Pipeline(f"{name}-lifecycle-pipeline", "Lifecycle Stage Pipeline", 0, lifecycle)
        for name in ("contacts", "companies")
    }
    return {
        **{name: {pipeline.id: pipeline} for name, pipeline in lives.items()},
        "deals": {"default": Pipeline("default", "Sales Pipeline", 0, sales)},
        "tickets": {"0": Pipeline("0", "Support Pipeline", 0, support)},
    }
