"""A Pendo subscription's Engage API."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from dlt.sources.helpers.requests import Response

from loaders.calls import Answer, Vendor, header, retry_after
from loaders.values import LoadError, LoadSettings, TooLong, Unreadable

TIMED_OUT = 408
TOO_MANY = 429
SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class Subscription:
    """What one integration key reads.

    Pendo tells no id of a subscription. `asked_as` is a digest of the address and the key instead: another key may be
    another subscription's, or the new one of the same.
    """

    vendor: Vendor
    asked_as: str

    def verify(self) -> Answer:
        """Check the key. LoadError if Pendo refuses it."""
        return self.vendor.get("/api/v1/token/verify")

    def listed(self, kind: str) -> Answer:
        """List the guides, pages, features or track types of every app; the default is one app's."""
        answer = self.vendor.get(f"/api/v1/{kind}", expand="*")
        if not isinstance(answer.body, list):
            raise Unreadable(f"{answer.call} gave no list: is that the API's address?")
        return answer

    def metadata_schema(self, kind: str) -> Answer:
        """List the metadata fields of a visitor or an account, by group."""
        return self.vendor.get(f"/api/v1/metadata/schema/{kind}")

    def aggregate(self, source: Mapping[str, object], *steps: Mapping[str, object]) -> Answer:
        """Run an aggregation. TooLong if Pendo gives up on it."""
        pipeline = [{"source": source}, *steps]
        return self.vendor.post(
            "/api/v1/aggregation",
            {"response": {"mimeType": "application/json"}, "request": {"pipeline": pipeline}},
        )


def connect(settings: LoadSettings) -> Subscription:
    """Reach the subscription of the settings' key."""
    url, key = settings.pendo_base_url, settings.pendo_integration_key
    vendor = Vendor("Pendo", url, header("x-pendo-integration-key", key), judge, (key,))
    return Subscription(vendor, hashlib.sha256(f"{url} {key}".encode()).hexdigest())


def judge(response: Response) -> float | bool:
    """Say whether Pendo's error may pass, and after how many seconds."""
    status = response.status_code
    if status in (401, 403):
        raise LoadError(f"Pendo refused the integration key ({status}): check PENDO_INTEGRATION_KEY")
    if status == TIMED_OUT:
        raise TooLong("Pendo needs more than five minutes to answer for one day or page")
    if status == TOO_MANY:
        return retry_after(response) or True
    return status >= SERVER_ERROR
