"""What an account says of itself: properties, groups, events, pipelines, owners and how many calls it has left."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import pyarrow as pa
from dlt.extract import DltResource

from loaders.calls import Answer
from loaders.hubspot.account import Account
from loaders.landing import BIGINT, BOOLEAN, TEXT, TIMESTAMP, Column, Reads, Row, json_text, resource, tables
from loaders.values import Forbidden

OWNERS_PAGE = EVENTS_PAGE = 500
# Who reads one of these needs to know which pipelines and stages there are.
STAGED = frozenset({"pipeline", "dealstage", "hs_pipeline", "hs_pipeline_stage"})

PROPERTY_COLUMNS = (
    Column("object", TEXT, nullable=False),
    Column("name", TEXT, nullable=False),
    Column("label", TEXT),
    Column("description", TEXT),
    Column("group_name", TEXT, "groupName"),
    Column("type", TEXT),
    Column("field_type", TEXT, "fieldType"),
    Column("calculated", BOOLEAN),
    Column("has_unique_value", BOOLEAN, "hasUniqueValue"),
    Column("read_only_value", BOOLEAN, "readOnlyValue"),
    Column("archived", BOOLEAN),
    Column("options", TEXT),
)
GROUP_COLUMNS = (
    Column("object", TEXT, nullable=False),
    Column("name", TEXT, nullable=False),
    Column("label", TEXT),
)
EVENT_COLUMNS = (
    Column("full_name", TEXT, "fullyQualifiedName", nullable=False),
    Column("name", TEXT),
    Column("label", TEXT),
    Column("description", TEXT),
    Column("primary_object", TEXT, "primaryObject"),
    Column("archived", BOOLEAN),
)
EVENT_PROPERTY_COLUMNS = (
    Column("event", TEXT, nullable=False),
    Column("name", TEXT, nullable=False),
    Column("label", TEXT),
    Column("type", TEXT),
    Column("archived", BOOLEAN),
)
OWNER_COLUMNS = (
    Column("id", TEXT, nullable=False),
    Column("email", TEXT),
    Column("first_name", TEXT, "firstName"),
    Column("last_name", TEXT, "lastName"),
    Column("user_id", TEXT, "userId"),
    Column("archived", BOOLEAN),
)
USAGE_COLUMNS = (
    Column("name", TEXT, nullable=False),
    Column("usage_limit", BIGINT, "usageLimit"),
    Column("current_usage", BIGINT, "currentUsage"),
    Column("collected_at", TIMESTAMP, "collectedAt"),
    Column("resets_at", TIMESTAMP, "resetsAt"),
)
PIPELINE_COLUMNS = (
    Column("object", TEXT, nullable=False),
    Column("pipeline_id", TEXT, nullable=False),
    Column("pipeline_label", TEXT),
    Column("pipeline_order", BIGINT),
    Column("stage_id", TEXT, "id", nullable=False),
    Column("stage_label", TEXT, "label"),
    Column("stage_order", BIGINT, "displayOrder"),
    Column("archived", BOOLEAN),
    Column("metadata", TEXT),
)


def properties(definitions: Mapping[str, Answer], reads: Reads) -> DltResource:
    """Make the resource of the properties' definitions."""
    rows = [
        one
        | {
            "object": name,
            "readOnlyValue": one.get("modificationMetadata", {}).get("readOnlyValue", False),
            "options": json_text([option["value"] for option in one.get("options") or []]),
        }
        for name, answer in definitions.items()
        for one in answer.rows()
    ]

    def read() -> Iterator[pa.Table]:
        yield from tables(rows, PROPERTY_COLUMNS)
        reads.finish("properties", min(answer.at for answer in definitions.values()), "full")

    return resource("properties", PROPERTY_COLUMNS, read)


def groups(account: Account, objects: Iterable[str], reads: Reads) -> DltResource:
    """Make the resource of the groups that properties are in."""

    def read() -> Iterator[pa.Table]:
        answers = {name: account.get("crm/properties", f"/{name}/groups") for name in objects}
        yield from tables(
            (one | {"object": name} for name, page in answers.items() for one in page.rows()),
            GROUP_COLUMNS,
        )
        reads.finish("property_groups", min(page.at for page in answers.values()), "full")

    return resource("property_groups", GROUP_COLUMNS, read)


def events(account: Account, reads: Reads) -> Iterator[DltResource]:
    """Make the resources of the custom events' definitions and of their properties; reads both at once.

    A token that may not read them still loads everything else: there are none then, and a note says why.
    """
    pages: list[Answer] = []
    note = ""
    try:
        pages += account.pages("events", "/event-definitions", limit=EVENTS_PAGE, includeProperties="true")
    except Forbidden as refusal:
        note = f"none are known, so none is sent: {refusal}"
    found = [
        one | {"label": (one.get("labels") or {}).get("singular"), "properties": one.get("properties") or []}
        for page in pages
        for one in page.rows()
    ]
    carried = [item | {"event": one["fullyQualifiedName"]} for one in found for item in one["properties"]]

    def read() -> Iterator[pa.Table]:
        for some in tables(found, EVENT_COLUMNS):
            yield some.replace_schema_metadata({"note": note})
        if pages:
            reads.finish("event_definitions", pages[0].at, "full")

    yield resource("event_definitions", EVENT_COLUMNS, read)
    yield resource("event_properties", EVENT_PROPERTY_COLUMNS, lambda: tables(carried, EVENT_PROPERTY_COLUMNS))


def owners(account: Account, reads: Reads) -> DltResource:
    """Make the resource of the owners, deactivated ones too."""

    def read() -> Iterator[pa.Table]:
        pages = [
            page
            for archived in ("false", "true")
            for page in account.pages("crm/owners", "", limit=OWNERS_PAGE, archived=archived)
        ]
        yield from tables((one for page in pages for one in page.rows()), OWNER_COLUMNS)
        reads.finish("owners", pages[0].at, "full")

    return resource("owners", OWNER_COLUMNS, read)


def api_usage(account: Account, reads: Reads) -> DltResource:
    """Make the resource of today's calls."""

    def read() -> Iterator[pa.Table]:
        answer = account.get("account-info", "/api-usage/daily/private-apps")
        yield from tables(answer.rows(), USAGE_COLUMNS)
        reads.finish("api_usage", answer.at, "full")

    return resource("api_usage", USAGE_COLUMNS, read)


def pipelines(account: Account, objects: Sequence[str], reads: Reads) -> DltResource:
    """Make the resource of the pipelines' stages; a pipeline has one at least."""

    def rows(answers: Mapping[str, Answer]) -> Iterator[Row]:
        for name, answer in answers.items():
            for pipeline in answer.rows():
                given: Row = {
                    "object": name,
                    "pipeline_id": pipeline["id"],
                    "pipeline_label": pipeline["label"],
                    "pipeline_order": pipeline.get("displayOrder"),
                }
                for stage in pipeline.get("stages") or []:
                    yield {**stage, **given, "metadata": json_text(stage.get("metadata") or {})}

    def read() -> Iterator[pa.Table]:
        answers = {name: account.get("crm/pipelines", f"/{name}") for name in objects}
        yield from tables(rows(answers), PIPELINE_COLUMNS)
        reads.finish("pipeline_stages", min(answer.at for answer in answers.values()), "full")

    return resource("pipeline_stages", PIPELINE_COLUMNS, read)
