"""What an activation would send under each version, from the plan models of both. Nothing is sealed or sent."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from activators.activation import Activation
from activators.guards import tripped
from activators.plan import ActivationPlan, shown
from activators.sealing import count_changes

# One row per value that either plan has something to say of; no decision is no difference from what the CRM says.
_BOTH = """
    create or replace temp view both_plans as
    select
        coalesce(head.record_id, base.record_id) as record_id,
        coalesce(head.property, base.property) as property,
        base.decision as decision_before,
        head.decision as decision_after,
        base.reason as reason_before,
        head.reason as reason_after,
        coalesce(head.current_value, base.current_value) as current_value,
        base.desired_value as value_before,
        head.desired_value as value_after,
        coalesce(base.decision = 'send', false) as sent_before,
        coalesce(head.decision = 'send', false) as sent_after,
        -- 12 and 12.0 are one number, whatever type the column has.
        base.desired_value is not distinct from head.desired_value
        or coalesce(
            head.family = 'number'
            and try_cast(base.desired_value as decimal(38, 9)) = try_cast(head.desired_value as decimal(38, 9)),
            false
        ) as is_same
    from {base} as base
    full join {head} as head on base.record_id = head.record_id and base.property = head.property
"""
_NOTHING = """(
    select
        cast(null as varchar) as record_id, cast(null as varchar) as property, cast(null as varchar) as family,
        cast(null as varchar) as decision, cast(null as varchar) as reason, cast(null as varchar) as current_value,
        cast(null as varchar) as desired_value
    where false
)"""


@dataclass(frozen=True, slots=True)
class PropertyDifference:
    """How many values of one property would be sent with the change only, before it only, and as another value."""

    name: str
    newly: int
    no_longer: int
    otherwise: int


@dataclass(frozen=True, slots=True)
class DecisionDifference:
    """How many values went from one decision, and reason of it, to another; None is no difference from the CRM."""

    before: str | None
    reason_before: str | None
    after: str | None
    reason_after: str | None
    values: int


@dataclass(frozen=True, slots=True)
class SendDifference:
    """One value of the CRM: what it is now, and what it would be after a plan of each version. None is empty."""

    record_id: str
    property: str
    current: str | None
    before: str | None
    after: str | None

    def __str__(self) -> str:
        # What the CRM has is what a version leaves there that sends nothing.
        now = "" if self.current == self.before else f", and is {shown(self.current)}"
        return f"{self.record_id}  {self.property}: {shown(self.before)} → {shown(self.after)}{now}"


@dataclass(frozen=True, slots=True)
class ActivationDifference:
    """One activation: what its plan counts under each version, None where it is not declared, and what differs.

    `newly`, `no_longer` and `otherwise` count values (one property of one record); `records` those with any of them.
    """

    name: str
    before: ActivationPlan | None
    after: ActivationPlan | None
    records: int
    newly: int
    no_longer: int
    otherwise: int
    properties: tuple[PropertyDifference, ...]
    decisions: tuple[DecisionDifference, ...]
    samples: tuple[SendDifference, ...]

    @property
    def guards(self) -> tuple[str, ...]:
        """The guards that trip under the change and not under the base."""
        # By name: the line has counts, which may differ although the guard trips under both.
        known = {name for name, _ in tripped(self.before)} if self.before else set()
        return tuple(line for name, line in (tripped(self.after) if self.after else ()) if name not in known)

    @property
    def differs(self) -> bool:
        """Whether anything else would be sent, held or guarded."""
        return self.before is None or self.after is None or bool(self.records or self.decisions or self.guards)


def compare_activations(
    connection: duckdb.DuckDBPyConnection,
    before: Activation | None,
    after: Activation | None,
    limit: int,
) -> ActivationDifference:
    """Compare what one activation would send. At most `limit` samples. One of the two may be missing."""
    name = next(one.name for one in (after, before) if one is not None)
    plans = [count_changes(connection, one) if one else None for one in (before, after)]
    connection.execute(
        _BOTH.format(
            base=before.plan_relation if before else _NOTHING,
            head=after.plan_relation if after else _NOTHING,
        )
    )
    properties = tuple(
        PropertyDifference(*row)
        for row in connection.execute(
            """
            select
                property,
                count(*) filter (sent_after and not sent_before) as newly,
                count(*) filter (sent_before and not sent_after) as no_longer,
                count(*) filter (sent_before and sent_after and not is_same) as otherwise
            from both_plans
            group by property
            having newly > 0 or no_longer > 0 or otherwise > 0
            order by newly + no_longer + otherwise desc, property
            """
        ).fetchall()
    )
    decisions = tuple(
        DecisionDifference(*row)
        for row in connection.execute(
            """
            select decision_before, reason_before, decision_after, reason_after, count(*) as "values"
            from both_plans
            where decision_before is distinct from decision_after or reason_before is distinct from reason_after
            group by all
            order by "values" desc, decision_before, reason_before, decision_after, reason_after
            """
        ).fetchall()
    )
    (records,) = connection.execute(
        """
        select count(distinct record_id) from both_plans
        where sent_before <> sent_after or (sent_before and sent_after and not is_same)
        """
    ).fetchall()[0]
    samples = tuple(
        SendDifference(*row)
        for row in connection.execute(
            """
            -- The largest of each property before the second largest of any.
            with

            differing as (

                select
                    record_id,
                    property,
                    current_value as current,
                    case when sent_before then value_before else current_value end as before,
                    case when sent_after then value_after else current_value end as after,
                    row_number() over (
                        partition by property
                        order by abs(try_cast(after as double) - try_cast(before as double)) desc nulls last, record_id
                    ) as place
                from both_plans
                where sent_before <> sent_after or (sent_before and sent_after and not is_same)

            )

            select record_id, property, current, before, after
            from differing
            where place <= $1
            order by place, property
            limit $1
            """,
            [limit],
        ).fetchall()
    )
    return ActivationDifference(
        name,
        plans[0],
        plans[1],
        records,
        sum(one.newly for one in properties),
        sum(one.no_longer for one in properties),
        sum(one.otherwise for one in properties),
        properties,
        decisions,
        samples,
    )
