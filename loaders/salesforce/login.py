"""Logging in to Salesforce, and what its errors mean."""

from __future__ import annotations

import re

from dlt.sources.helpers.requests import Response
from requests import PreparedRequest

from loaders.calls import Vendor, retry_after, vendor_body, vendor_message
from loaders.values import LoadError, LoadSettings, Refused, TooLong

SERVER_ERROR = 500


class LostPlace(Refused):
    """Salesforce no longer knows the place in a query's results."""


class NotInBulk(LoadError):
    """The object cannot be read by a Bulk job."""


class Login:
    """A client's token for one org, taken again when it has expired.

    LoadError if Salesforce refuses the client.
    """

    def __init__(self, settings: LoadSettings) -> None:
        self.secrets = (settings.salesforce_client_id, settings.salesforce_client_secret)
        self._host = Vendor("Salesforce", settings.salesforce_base_url, _no_token, _judge_login, self.secrets)
        self._take_token()

    def _take_token(self) -> None:
        client_id, client_secret = self.secrets
        form = {"grant_type": "client_credentials"}
        form |= {"client_id": client_id, "client_secret": client_secret}
        answer = self._host.submit("/services/oauth2/token", form)
        self._token = answer.value("access_token")
        self._uses = 0
        self.instance_url = answer.value("instance_url")
        # The identity URL ends in /id/<org>/<user>.
        self.org = answer.value("id").rsplit("/", 2)[1]

    def authorise(self, request: PreparedRequest) -> PreparedRequest:
        """Put the token that holds now on a request."""
        self._uses += 1
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request

    def judge(self, response: Response) -> float | bool:
        """Say whether Salesforce's error may pass, and after how many seconds."""
        code = _code(response)
        if code == "INVALID_SESSION_ID":
            if self._uses == 1:
                raise LoadError(
                    "Salesforce does not take the session that it has just given: check the integration user's login "
                    "IP ranges and the session settings"
                )
            self._take_token()
            return 0.0
        if code == "REQUEST_LIMIT_EXCEEDED":
            # The daily and the concurrent limit share a code; only the text tells them apart.
            if "concurrent" in vendor_message(response).lower():
                return True
            raise LoadError("Salesforce's API requests of the last 24 hours are used up: load again later")
        if response.status_code in (401, 403):
            raise LoadError(
                f"Salesforce refused this user ({code}): give the integration user API access and "
                "read access to the objects"
            )
        _raise_named(code, response)
        if response.status_code in (420, 429):
            return retry_after(response) or True
        return response.status_code >= SERVER_ERROR


def _raise_named(code: str, response: Response) -> None:
    """Raise the errors that callers or people can do something about."""
    hidden = re.search(r"/sobjects/(\w+)/describe", response.request.url or "")
    if code == "NOT_FOUND" and hidden:
        raise LoadError(
            f"Salesforce does not show the object {hidden[1]} to the integration user: if the object exists, grant "
            f"Read on {hidden[1]} (object settings) in a permission set"
        )
    if code == "INVALID_QUERY_LOCATOR":
        raise LostPlace("Salesforce no longer has the results of this query: load again")
    if code == "INVALIDENTITY":
        raise NotInBulk(f"Salesforce has no Bulk query for this object: {vendor_message(response)}")
    if code == "QUERY_TIMEOUT":
        raise TooLong("Salesforce needs more than two minutes to begin an answer")


def _no_token(request: PreparedRequest) -> PreparedRequest:
    return request


def _judge_login(response: Response) -> bool:
    if response.status_code >= SERVER_ERROR:
        return True
    raise LoadError(
        f"Salesforce refused the client ({_code(response)}): check SALESFORCE_BASE_URL, "
        "SALESFORCE_CLIENT_ID and SALESFORCE_CLIENT_SECRET"
    )


def _code(response: Response) -> str:
    """Read the error's code: OAuth answers with an object, REST with a list of errors."""
    body = vendor_body(response)
    first = body[0] if isinstance(body, list) and body else body
    if not isinstance(first, dict):
        return str(response.status_code)
    return str(first.get("errorCode") or first.get("error") or response.status_code)
