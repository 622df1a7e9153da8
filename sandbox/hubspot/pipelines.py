"""Endpoints about pipelines and their stages."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from sandbox.hubspot.call import Answer, Call, text_list
from sandbox.hubspot.errors import attributes_not_set, bad_json, conflict, invalid, not_found
from sandbox.hubspot.stages import Pipeline, Stage, in_order
from sandbox.hubspot.values import instant

# From this version on, HubSpot keeps a stage that records are in; before, only if asked to look.
BLOCKING = "2026-09"
_ID = re.compile(r"[a-z0-9_-]{1,100}")
Body = Mapping[str, object]


def list_pipelines(call: Call) -> Answer:
    """GET /crm/pipelines/V/{type}."""
    rows = sorted(_pipelines(call).values(), key=lambda row: (row.order, row.label))
    return Answer(200, {"results": [row.shown() for row in rows]})


def read_pipeline(call: Call) -> Answer:
    """GET /crm/pipelines/V/{type}/{pipeline}."""
    return Answer(200, _known(call).shown())


def create_pipeline(call: Call) -> Answer:
    """POST /crm/pipelines/V/{type}: with all its stages."""
    made = _pipeline(call, call.json(), str(call.store.new_id()))
    if made.id in _pipelines(call):
        raise conflict(f"A pipeline with the ID '{made.id}' already exists.")
    _save(call, made)
    return Answer(201, made.shown())


def replace_pipeline(call: Call) -> Answer:
    """PUT /crm/pipelines/V/{type}/{pipeline}: all of it, its stages included."""
    known, body = _known(call), call.json()
    made = replace(_pipeline(call, {**body, "pipelineId": known.id}, known.id), created_at=known.created_at)
    _refuse_used(call, [name for name in known.stages if name not in made.stages])
    _save(call, made)
    return Answer(200, made.shown())


def update_pipeline(call: Call) -> Answer:
    """PATCH /crm/pipelines/V/{type}/{pipeline}: its label and its place."""
    known, body = _known(call), call.json()
    label = str(body.get("label", known.label))
    _refuse_label(label, [row.label for row in _pipelines(call).values() if row.id != known.id], "pipeline")
    changed = replace(known, label=label, order=_order(body, known.order), updated_at=_now(call))
    _save(call, changed)
    return Answer(200, changed.shown())


def archive_pipeline(call: Call) -> Answer:
    """DELETE /crm/pipelines/V/{type}/{pipeline}: refused for the last one, and while in use."""
    known, rows = _known(call), _pipelines(call)
    _refuse_lifecycle(call)
    _refuse_used(call, list(known.stages))
    if len(rows) == 1:
        raise invalid("At least one pipeline must remain for the object type")
    del rows[known.id]
    call.store.offer_stages(call.table)
    return Answer(204)


def list_stages(call: Call) -> Answer:
    """GET …/{pipeline}/stages."""
    return Answer(200, {"results": [stage.shown() for stage in in_order(_known(call).stages.values())]})


def read_stage(call: Call) -> Answer:
    """GET …/{pipeline}/stages/{stage}."""
    return Answer(200, _known_stage(call).shown())


def create_stage(call: Call) -> Answer:
    """POST …/{pipeline}/stages."""
    known = _known(call)
    made = _stage(call, call.json(), str(call.store.new_id()), len(known.stages))
    _refuse_taken(call, known, made)
    _save(call, replace(known, stages={**known.stages, made.id: made}))
    return Answer(201, made.shown())


def replace_stage(call: Call) -> Answer:
    """PUT …/{pipeline}/stages/{stage}: all of it."""
    return _changed_stage(call, call.json())


def update_stage(call: Call) -> Answer:
    """PATCH …/{pipeline}/stages/{stage}: what is given; metadata is added to what is there."""
    old, body = _known_stage(call), call.json()
    metadata = body.get("metadata", {})
    merged = {**old.metadata, **metadata} if isinstance(metadata, dict) else metadata
    # Whether a deal is closed follows from its probability.
    if isinstance(merged, dict) and call.table.kind.name == "deals":
        merged.pop("isClosed", None)
    return _changed_stage(call, {"label": old.label, "displayOrder": old.order, **body, "metadata": merged})


def archive_stage(call: Call) -> Answer:
    """DELETE …/{pipeline}/stages/{stage}: refused while records are in it."""
    known, stage = _known(call), _known_stage(call)
    _refuse_used(call, [stage.id])
    if len(known.stages) == 1:
        raise invalid("A pipeline must have at least one stage")
    _save(call, replace(known, stages={name: one for name, one in known.stages.items() if name != stage.id}))
    return Answer(204)


def _changed_stage(call: Call, body: Body) -> Answer:
    known, old = _known(call), _known_stage(call)
    new = replace(_stage(call, body, old.id, old.order), id=old.id, created_at=old.created_at)
    _refuse_label(new.label, [one.label for one in known.stages.values() if one.id != old.id], "stage")
    _save(call, replace(known, stages={**known.stages, new.id: new}))
    return Answer(200, new.shown())


def _pipelines(call: Call) -> dict[str, Pipeline]:
    kind = call.table.kind
    rows = call.store.pipelines.get(kind.name)
    if rows is None:
        raise invalid(f"Object type {kind.type_id} does not have pipelines")
    return rows


def _known(call: Call) -> Pipeline:
    name = call.params["pipeline"]
    known = _pipelines(call).get(name)
    if known is None:
        raise not_found(f"No pipeline found with the ID '{name}'.", context={"pipelineId": [name]})
    return known


def _known_stage(call: Call) -> Stage:
    name = call.params["stage"]
    stage = _known(call).stages.get(name)
    if stage is None:
        raise not_found(f"No stage found with the ID '{name}'.", context={"stageId": [name]})
    return stage


def _refuse_lifecycle(call: Call) -> None:
    if call.table.kind.pipeline is None:
        raise invalid(f"The pipeline of object type {call.table.kind.type_id} cannot be changed")


def _save(call: Call, pipeline: Pipeline) -> None:
    _refuse_lifecycle(call)
    _pipelines(call)[pipeline.id] = replace(pipeline, updated_at=_now(call))
    call.store.offer_stages(call.table)


def _pipeline(call: Call, body: Body, default_id: str) -> Pipeline:
    missing = [name for name in ("label", "displayOrder", "stages") if body.get(name) in (None, "")]
    if missing:
        raise attributes_not_set("PipelineInput", missing)
    given = text_list(body, "stages")
    if not given:
        raise invalid("A pipeline must have at least one stage")
    name, label = _id(body, "pipelineId", default_id), str(body["label"])
    _refuse_label(label, [row.label for row in _pipelines(call).values() if row.id != default_id], "pipeline")
    pipeline = Pipeline(name, label, _order(body, 0), {}, _now(call), _now(call))
    for place, one in enumerate(given):
        if not isinstance(one, dict):
            raise bad_json("Expected a stage")
        stage = _stage(call, one, str(call.store.new_id()), place)
        _refuse_taken(call, pipeline, stage)
        pipeline = replace(pipeline, stages={**pipeline.stages, stage.id: stage})
    return pipeline


def _stage(call: Call, body: Body, default_id: str, place: int) -> Stage:
    missing = [name for name in ("label", "displayOrder", "metadata") if body.get(name) in (None, "")]
    if missing:
        raise attributes_not_set("PipelineStageInput", missing)
    metadata = body["metadata"]
    if not isinstance(metadata, dict):
        raise bad_json("Expected an object in metadata")
    texts = {str(name): str(value).lower() if name == "isClosed" else str(value) for name, value in metadata.items()}
    kind = call.table.kind.name
    if kind == "deals":
        texts["probability"] = probability = _probability(texts)
        texts["isClosed"] = "true" if float(probability) in {0.0, 1.0} else "false"
    if kind == "tickets":
        state = texts.setdefault("ticketState", "OPEN")
        if state not in {"OPEN", "CLOSED"}:
            raise invalid("ticketState must be OPEN or CLOSED", context={"ticketState": [state]})
        texts["isClosed"] = "true" if state == "CLOSED" else "false"
    stage_id = _id(body, "stageId", default_id)
    return Stage(stage_id, str(body["label"]), _order(body, place), texts, _now(call), _now(call))


def _probability(metadata: Mapping[str, str]) -> str:
    try:
        probability = float(metadata.get("probability", ""))
    except ValueError:
        probability = -1.0
    if not 0 <= probability <= 1:
        raise invalid("A deal stage's metadata must have a probability between 0.0 and 1.0")
    return str(probability)


def _id(body: Body, name: str, default: str) -> str:
    chosen = str(body.get(name) or default)
    if not _ID.fullmatch(chosen):
        raise invalid(f"Property name must be lowercase, but given: {chosen}")
    return chosen


def _order(body: Body, default: int) -> int:
    order = body.get("displayOrder")
    return order if isinstance(order, int) else default


def _now(call: Call) -> str:
    return instant(call.store.now())


def _refuse_label(label: str, others: Sequence[str], what: str) -> None:
    if label.lower() in (other.lower() for other in others):
        raise conflict(f"A {what} with the label '{label}' already exists.", context={"label": [label]})


def _refuse_taken(call: Call, pipeline: Pipeline, stage: Stage) -> None:
    """Stage ids are unique in a type, because one property holds them; labels in a pipeline."""
    _refuse_label(stage.label, [one.label for one in pipeline.stages.values()], "stage")
    rows = [row for row in _pipelines(call).values() if row.id != pipeline.id]
    if any(stage.id in row.stages for row in (pipeline, *rows)):
        raise conflict(f"A stage with the ID '{stage.id}' already exists.", context={"stageId": [stage.id]})


def _refuse_used(call: Call, stages: Sequence[str]) -> None:
    """Refuse to take away stages that live records are in, where this version looks."""
    looks = call.version[:1] == "2" and call.version >= BLOCKING
    asked = ("validateReferencesBeforeDelete", "validateDealStageUsagesBeforeDelete")
    if not looks and not any(call.flag(name) for name in asked):
        return
    table = call.table
    _, stage_property = table.kind.pipeline or ("", "")
    used: dict[str, list[str]] = {}
    for number in table.live:
        stage = table.records[number].values.get(stage_property, "")
        if stage in stages:
            used.setdefault(stage, []).append(str(number))
    if used:
        records = [one for ids in used.values() for one in ids]
        raise invalid(
            f"Stage IDs: [{', '.join(used)}] are being referenced by object IDs: [{', '.join(records)}]",
            subCategory="PipelineError.STAGE_ID_IN_USE",
            context={"stageIds": list(used), "objectIds": records},
        )
