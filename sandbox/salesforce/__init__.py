"""Salesforce's REST API over one org."""

from .app import salesforce_app
from .store import SalesforceStore

__all__ = ["SalesforceStore", "salesforce_app"]
