"""A plan as Markdown for a comment on a pull request."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from activators.plan import Plan, Sample
from backhaul.report import DECIDED, REASONS
from backhaul.review import Review, ages, review

# Of each kind: a comment has room for 65,536 characters.
_SAMPLES = 5
_PROPERTIES = 50
_CHARACTERS = 80


def markdown(plan: Plan) -> str:
    """Render a sealed plan. Values cannot leave their cells, mention anybody, or become markup."""
    return "\n".join(_lines(plan)) + "\n"


def _lines(plan: Plan) -> Iterator[str]:
    yield f"### Backhaul: {plan.changes:,} change{'' if plan.changes == 1 else 's'}"
    yield ""
    landed = "".join(f", {vendor} landed {age} before" for vendor, age in ages(plan).items())
    yield f"Plan {literal(plan.plan_id)}{landed}."
    yield ""
    if plan.warnings:
        yield "**Guards are tripped**; `backhaul apply` refuses this plan without `--confirm-guards`:"
        yield ""
        yield from (f"- {escaped(line)}" for line in plan.warnings)
        yield ""
    heads = ("Activation", "Records", "To change", "Changes", "Held", "Kept", "Invalid", "Calls", "Of the day")
    yield from table(
        heads,
        (
            (
                literal(item.name),
                *(
                    f"{count:,}"
                    for count in (
                        item.records,
                        item.records_changed,
                        item.changes,
                        item.held,
                        item.kept,
                        item.invalid,
                        item.calls,
                    )
                ),
                "?" if item.quota_share is None else f"{item.quota_share:.3%}",
            )
            for item in plan.activations
        ),
        numbers=len(heads) - 1,
    )
    for item in review(plan, _SAMPLES):
        if item.properties:
            yield from _activation(item)


def _activation(item: Review) -> Iterator[str]:
    yield ""
    yield f"<details><summary>{escaped(item.plan.name)}</summary>"
    yield ""
    shown = item.properties[:_PROPERTIES]
    yield from table(
        ("Property", "Filled", "Replaced", "Cleared", "Held", "Kept", "Invalid"),
        (
            (literal(one.name), *map(str, (one.filled, one.replaced, one.cleared, one.held, one.kept, one.invalid)))
            for one in shown
        ),
        numbers=6,
    )
    if len(item.properties) > len(shown):
        yield ""
        yield f"and {len(item.properties) - len(shown):,} more properties"
    if item.samples:
        yield ""
        yield from _samples(item.samples)
    for reason in item.reasons:
        yield ""
        why = REASONS.get(reason.reason, reason.reason)
        yield f"**{DECIDED[reason.decision]} {reason.values:,}**: {why}"
        yield ""
        yield from _samples(reason.samples)
    yield ""
    yield "</details>"


def _samples(samples: Iterable[Sample]) -> Iterator[str]:
    return table(
        ("Record", "Property", "Before", "After"),
        ((literal(one.record_id), literal(one.property), value(one.before), value(one.after)) for one in samples),
    )


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], numbers: int = 0) -> Iterator[str]:
    """A table whose last columns are numbers."""
    sides = ["---"] * (len(heads) - numbers) + ["--:"] * numbers
    for cells in (heads, sides, *rows):
        yield f"| {' | '.join(cells)} |"


def value(text: str | None) -> str:
    """A value as code, or that there is none."""
    return "*(empty)*" if text in {None, ""} else literal(str(text))


def literal(text: str) -> str:
    """Text as code, in which nothing is markup, a mention or a link."""
    short = text if len(text) <= _CHARACTERS else f"{text[: _CHARACTERS - 1]}…"
    return f"<code>{escaped(short)}</code>"


def escaped(text: str) -> str:
    """Text in which each character that Markdown or HTML gives a meaning is an entity, and each line break a sign."""
    one_line = re.sub(r"\r\n|[\r\n\v\f\x85\u2028\u2029]", "⏎", text)
    printable = re.sub(r"[\x00-\x1f\x7f-\x9f]", "\N{REPLACEMENT CHARACTER}", one_line)
    # Inside a word of ASCII an underscore means nothing, and names are full of them.
    telling = r"[^\w\s.,;%/⏎…→()-]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])"
    return re.sub(telling, lambda found: f"&#{ord(found[0])};", printable)
