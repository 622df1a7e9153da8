"""What a plan may change before a person has to confirm it."""

from __future__ import annotations

from collections.abc import Iterator

from activators.plan import ActivationPlan


def tripped(sealed: ActivationPlan) -> Iterator[tuple[str, str]]:
    """The name of each guard that an activation's plan trips, and a line that says by how much."""
    guards = sealed.guards
    # Filling what is empty harms nobody; a guard is about values that are there now.
    known = sealed.records + sealed.left
    if sealed.overwrites > guards.max_change_share * known:
        yield (
            "max_change_share",
            (
                f"{sealed.name}: {sealed.overwrites} of {known} records would lose a value that they have "
                f"(more than max_change_share {guards.max_change_share:.0%})"
            ),
        )
    if sealed.clear_share > guards.max_clear_share:
        yield (
            "max_clear_share",
            (
                f"{sealed.name}: one property would be cleared on {sealed.clear_share:.0%} of the records "
                f"(more than max_clear_share {guards.max_clear_share:.0%})"
            ),
        )
    if sealed.creates > guards.max_creates:
        yield (
            "max_creates",
            f"{sealed.name}: {sealed.creates} records would be created (more than max_creates {guards.max_creates})",
        )
    if sealed.quota_share is not None and sealed.quota_share > guards.max_quota_share:
        yield (
            "max_quota_share",
            (
                f"{sealed.name}: {sealed.quota_share:.0%} of the day's calls "
                f"(more than max_quota_share {guards.max_quota_share:.0%})"
            ),
        )
    if sealed.calls_left is not None and sealed.calls > sealed.calls_left:
        yield (
            "calls_left",
            f"{sealed.name}: {sealed.calls} calls, and {sealed.calls_left} were left of the day's at the last landing",
        )
