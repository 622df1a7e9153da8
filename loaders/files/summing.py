"""Visitors, accounts and what was used, summed up in the warehouse from the days that are landed."""

from __future__ import annotations

import duckdb

STATEMENTS = (
    "delete from pendo.visitors",
    """
    insert into pendo.visitors
        (visitor_id, account_id, account_ids, first_visit, last_visit, last_updated, do_not_process, agent, custom)
    select
        coalesce(seen.visitor_id, described.id), seen.account_id, coalesce(seen.account_ids, '[]'),
        seen.first_visit, seen.last_visit, seen.last_visit, false, coalesce(described.agent, '{}'), '{}'
    from (
        select
            visitor_id,
            arg_max(account_id, last_at) as account_id,
            to_json(list_sort(list_distinct(list(account_id))))::varchar as account_ids,
            min(first_at) as first_visit,
            max(last_at) as last_visit
        from pendo.visits group by visitor_id
    ) as seen
    full join pendo.described_visitors as described on described.id = seen.visitor_id
    """,
    "delete from pendo.accounts",
    """
    insert into pendo.accounts (account_id, first_visit, last_visit, last_updated, agent, custom)
    select
        coalesce(seen.account_id, described.id), seen.first_visit, seen.last_visit, seen.last_visit,
        coalesce(described.agent, '{}'), '{}'
    from (
        select account_id, min(first_at) as first_visit, max(last_at) as last_visit
        from pendo.visits where account_id is not null group by account_id
    ) as seen
    full join pendo.described_accounts as described on described.id = seen.account_id
    """,
)


# The table of events that were used, the table that lists what was used, and their key.
USED = (
    ("page_events", "pages", "page_id"),
    ("feature_events", "features", "feature_id"),
    ("track_events", "track_types", "track_type_id"),
)


def sum_up(warehouse: duckdb.DuckDBPyConnection) -> None:
    """Make these tables anew, in one transaction: after a load that dies first, the next one does it."""
    warehouse.begin()
    for statement in STATEMENTS:
        warehouse.execute(statement)
    for events, things, key in USED:
        warehouse.execute(f"delete from pendo.{things}")  # noqa: S608 names of our own
        warehouse.execute(
            f"insert into pendo.{things} ({key}, app_id, name) "  # noqa: S608
            f"select {key}, min(app_id), {key} from pendo.{events} group by {key}"
        )
    warehouse.commit()
