"""Land vendors' objects, as they are and incrementally, in one warehouse schema a vendor."""

from __future__ import annotations

from loaders.landing import Landing, LoadError, LoadSettings, Wanted
from loaders.pipeline import load

__all__ = ["Landing", "LoadError", "LoadSettings", "Wanted", "load"]
