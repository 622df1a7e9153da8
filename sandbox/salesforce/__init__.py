"""Salesforce's REST API over one org."""

from .app import salesforce_app
from .conversion import Conversion
from .rules import DuplicateRule, FlowFailed, ValidationRule
from .schema import Field
from .store import SalesforceStore

__all__ = [
    "Conversion",
    "DuplicateRule",
    "Field",
    "FlowFailed",
    "SalesforceStore",
    "ValidationRule",
    "salesforce_app",
]
