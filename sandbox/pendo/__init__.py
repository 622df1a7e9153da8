"""Pendo's Engage API over the world."""

from sandbox.pendo.app import pendo_app
from sandbox.pendo.store import PendoStore

__all__ = ["PendoStore", "pendo_app"]
