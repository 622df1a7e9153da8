"""HubSpot's CRM, in memory, behind HubSpot's own HTTP interface.

    errors ─ definitions ─ objecttypes ─ values ─┐
    links, stages, eventlog, consents, webhooks ─┴ store ─ search
                                                     │
    limits ───────────────────────────────────────── app ─ objects, batches, properties, schemas,
                                                           associations, pipelines, events,
                                                           subscriptions, hooks, account

`store` is one HubSpot account; `app` serves it. What is modelled is listed in sandbox/README.md.
"""

from __future__ import annotations

from sandbox.hubspot.app import hubspot_app
from sandbox.hubspot.limits import Limits
from sandbox.hubspot.store import HubSpotStore

__all__ = ["HubSpotStore", "Limits", "hubspot_app"]
