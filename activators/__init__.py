"""The edge that writes: declarations, plan, apply, journal, and one module a vendor."""
