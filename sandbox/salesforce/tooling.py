"""Custom fields over HTTP."""

from __future__ import annotations

from starlette.responses import Response

from .call import Call
from .customfields import create_custom_field, delete_custom_field
from .records import read_record
from .session import json_response
from .writes import live_row


async def define(call: Call) -> Response:
    """Make a custom field."""
    made = create_custom_field(call.org, call.user_id, await call.body())
    return json_response({"id": made, "success": True, "errors": [], "warnings": [], "infos": []}, 201)


async def read_definition(call: Call) -> Response:
    """Read the definition of a custom field."""
    view = call.view(tooling=True)
    custom = view.need_entity("CustomField")
    return json_response(read_record(call, view, custom, call.path("id")))


async def undefine(call: Call) -> Response:
    """Delete a custom field."""
    custom = call.view(tooling=True).need_entity("CustomField")
    row = live_row(call.org, custom, call.path("id"))
    delete_custom_field(call.org, custom, str(row["Id"]))
    return Response(status_code=204)
