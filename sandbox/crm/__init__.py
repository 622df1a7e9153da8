"""What the CRMs say about the world's people and companies: mostly right, never quite.

    columns ─ companies ─ contacts ─ deals ─┬ hubspot
    salespeople                             └ salesforce

Nothing here is kept as records: `hubspot` and `salesforce` make them whenever somebody walks through them.
"""

from __future__ import annotations

from sandbox.crm.columns import salesforce_id
from sandbox.crm.hubspot import HubSpotSeeds, plant_hubspot
from sandbox.crm.salesforce import SalesforceSeeds, plant_salesforce
from sandbox.crm.salespeople import Edit, drift, plant_salespeople

__all__ = [
    "Edit",
    "HubSpotSeeds",
    "SalesforceSeeds",
    "drift",
    "plant_hubspot",
    "plant_salesforce",
    "plant_salespeople",
    "salesforce_id",
]
