"""Logging in, and what needs no org: versions and identity."""

from __future__ import annotations

import base64
import binascii
import secrets
from urllib.parse import parse_qs

from starlette.responses import Response

from .call import Call
from .ids import full_id
from .org import INTEGRATION_ID, ORG_ID
from .session import NEWEST, OLDEST, json_response

SPRING_26 = 66  # its API version; three releases a year


async def token(call: Call) -> Response:
    """Log an application in; raises nothing, OAuth refuses with an object of its own."""
    form = {key: values[0] for key, values in parse_qs((await call.request.body()).decode()).items()}
    client_id, client_secret = form.get("client_id", ""), form.get("client_secret", "")
    scheme, _, basic = call.request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            client_id, _, client_secret = base64.b64decode(basic).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return _oauth_error("invalid_client", "invalid client credentials")
    grant = form.get("grant_type")
    if grant == "password":  # blocked by default in orgs made since 2023
        return _oauth_error("invalid_grant", "authentication failure")
    if grant != "client_credentials":
        return _oauth_error("unsupported_grant_type", "grant type not supported")
    if not secrets.compare_digest(client_id.encode(), call.server.client_id.encode()):
        return _oauth_error("invalid_client_id", "client identifier invalid")
    if not secrets.compare_digest(client_secret.encode(), call.server.client_secret.encode()):
        return _oauth_error("invalid_client", "invalid client credentials")
    issued = int(call.org.clock.now().timestamp() * 1000)
    return json_response(
        {
            "access_token": call.server.sessions.open(INTEGRATION_ID),
            "signature": base64.b64encode(secrets.token_bytes(32)).decode(),
            "scope": "api",
            "instance_url": call.server.base_url,
            "id": f"{call.server.base_url}/id/{ORG_ID}/{INTEGRATION_ID}",
            "token_type": "Bearer",
            "issued_at": str(issued),
        }
    )


async def identity(call: Call) -> Response:
    """Say who the token belongs to."""
    user_id = full_id(call.request.path_params.get("user", call.user_id))
    user = call.org.find(user_id)
    if user is None or user_id != call.user_id:
        return json_response({"error": "invalid_id"}, 403)
    return json_response(
        {
            "id": f"{call.server.base_url}/id/{ORG_ID}/{user_id}",
            "asserted_user": True,
            "user_id": user_id,
            "organization_id": ORG_ID,
            "username": user.get("Username"),
            "display_name": user.get("Name"),
            "email": user.get("Email"),
            "email_verified": True,
            "first_name": user.get("FirstName"),
            "last_name": user.get("LastName"),
            "timezone": user.get("TimeZoneSidKey"),
            "user_type": "STANDARD",
            "active": user.get("IsActive"),
            "urls": {
                "rest": f"{call.server.base_url}/services/data/v{{version}}/",
                "sobjects": f"{call.server.base_url}/services/data/v{{version}}/sobjects/",
                "query": f"{call.server.base_url}/services/data/v{{version}}/query/",
            },
        }
    )


async def versions(_call: Call) -> Response:
    """List the API versions; needs no token."""
    seasons = ("Spring", "Summer", "Winter")  # a winter release counts as the next year's
    listed = []
    for version in range(OLDEST, NEWEST + 1):
        year = 26 + (version - SPRING_26) // 3 + (version % 3 == 2)  # noqa: PLR2004
        listed.append(
            {
                "label": f"{seasons[version % 3]} '{year}",
                "url": f"/services/data/v{version}.0",
                "version": f"{version}.0",
            }
        )
    return json_response(listed)


def _oauth_error(error: str, description: str) -> Response:
    return json_response({"error": error, "error_description": description}, 400)
