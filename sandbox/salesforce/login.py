"""Logging in, and what needs no org: versions and identity."""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Mapping
from urllib.parse import parse_qs

from starlette.responses import Response

from .call import Call
from .ids import full_id
from .org import INTEGRATION_ID, ORG_ID
from .session import NEWEST, OLDEST, json_response

SPRING_26 = 66  # its API version; three releases a year


JWT_LIFE = 180  # seconds that an assertion may still be good for
_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LOGIN_HOSTS = ("https://login.salesforce.com", "https://test.salesforce.com")


class _NoLogin(Exception):
    """A login that is refused, which OAuth says with an object of its own."""

    def __init__(self, error: str, description: str) -> None:
        self.body = {"error": error, "error_description": description}
        super().__init__(description)


async def token(call: Call) -> Response:
    """Log an application in; raises nothing."""
    form = {key: values[0] for key, values in parse_qs((await call.request.body()).decode()).items()}
    try:
        return _session(call, *_user(call, form))
    except _NoLogin as refusal:
        return json_response(refusal.body, 400)


def _user(call: Call, form: Mapping[str, str]) -> tuple[str, Mapping[str, str]]:
    """Find who is logged in, and what the answer says beside the session."""
    grant = form.get("grant_type")
    if grant == _JWT_BEARER:
        return _asserted_user(call, form.get("assertion", "")), {}
    if grant == "password":  # blocked by default in orgs made since 2023
        raise _NoLogin("invalid_grant", "authentication failure")
    if grant not in ("client_credentials", "refresh_token"):
        raise _NoLogin("unsupported_grant_type", "grant type not supported")
    client_id, client_secret = _client(call, form)
    if not _same(client_id, call.server.client_id):
        raise _NoLogin("invalid_client_id", "client identifier invalid")
    if not _same(client_secret, call.server.client_secret):
        raise _NoLogin("invalid_client", "invalid client credentials")
    if grant == "client_credentials":
        return INTEGRATION_ID, {}
    user_id, fresh = call.server.sessions.refresh(form.get("refresh_token", ""))
    if user_id is None:
        raise _NoLogin("invalid_grant", "expired access/refresh token")
    return user_id, {"refresh_token": fresh}


def _client(call: Call, form: Mapping[str, str]) -> tuple[str, str]:
    """Read the application's id and secret, from the form or the header."""
    scheme, _, basic = call.request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return form.get("client_id", ""), form.get("client_secret", "")
    try:
        client_id, _, client_secret = base64.b64decode(basic).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise _NoLogin("invalid_client", "invalid client credentials") from None
    return client_id, client_secret


def _asserted_user(call: Call, assertion: str) -> str:
    """Find the user that an assertion, signed with the application's key, names."""
    import jwt  # noqa: PLC0415 - only who logs in this way needs it, and it is slow to import

    not_approved = _NoLogin("invalid_grant", "user hasn't approved this consumer")
    if call.server.certificate is None:
        raise not_approved
    try:
        claims = jwt.decode(
            assertion,
            call.server.certificate,
            algorithms=["RS256"],
            audience=[*_LOGIN_HOSTS, call.server.base_url],
            # The sandbox's clock decides about the end, not the machine's.
            options={"require": ["iss", "sub", "aud", "exp"], "verify_exp": False, "verify_iat": False},
        )
    except jwt.InvalidAudienceError:
        raise _NoLogin("invalid_grant", "audience is invalid") from None
    except jwt.InvalidTokenError:
        raise _NoLogin("invalid_grant", "invalid assertion") from None
    if not 0 < float(claims["exp"]) - call.org.clock.now().timestamp() <= JWT_LIFE:
        raise _NoLogin("invalid_grant", "the assertion has expired, or expires too late")
    if not _same(str(claims["iss"]), call.server.client_id):
        raise _NoLogin("invalid_client_id", "client identifier invalid")
    user_id = call.org.user_named(str(claims["sub"]))
    if user_id is None:
        raise not_approved
    return user_id


def _same(given: str, right: str) -> bool:
    return secrets.compare_digest(given.encode(), right.encode())


def _session(call: Call, user_id: str, more: Mapping[str, str]) -> Response:
    issued = int(call.org.clock.now().timestamp() * 1000)
    return json_response(
        {
            "access_token": call.server.sessions.open(user_id),
            "signature": base64.b64encode(secrets.token_bytes(32)).decode(),
            "scope": "api",
            "instance_url": call.server.base_url,
            "id": f"{call.server.base_url}/id/{ORG_ID}/{user_id}",
            "token_type": "Bearer",
            "issued_at": str(issued),
            **more,
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
