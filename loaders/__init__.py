"""Land vendors' objects, as they are and incrementally, in one warehouse schema a vendor."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from loaders.values import Landing, LoadError, LoadSettings, Wanted

__all__ = ["Landing", "LoadError", "LoadSettings", "Wanted", "load", "refuse_unset"]


def load(
    vendors: Sequence[str], settings: LoadSettings, wanted: Wanted, progress: Callable[[str, str, int], None]
) -> tuple[Landing, ...]:
    """Land what is new of each vendor, in order, and say what was landed.

    `progress(vendor, table, rows)` is called as rows arrive. LoadError leaves the tables of the
    vendor that failed, and what is known of its last load, as they were; a load that follows goes on
    with the long reads where this one stopped.
    """
    from loaders.pipeline import load as load_all  # noqa: PLC0415  dlt takes most of a second to import

    return load_all(vendors, settings, wanted, progress)


def refuse_unset(vendors: Sequence[str], settings: LoadSettings) -> None:
    """Raise LoadError for a vendor that there is not, or whose settings are not all there. Asks no vendor."""
    from loaders.pipeline import refuse_unset as refuse  # noqa: PLC0415  likewise

    refuse(vendors, settings)
