{#-
What has landed of each day that is due, and what a roll-up holds of each that is compared: events, minutes and a digest. The sums of a day are the
same when its usage moves from one visitor, account or page to another; its digest is not, however the rows are ordered or split.
-#}
{% macro landed_sums(roll_up, events, due, owner) -%}
    select
        {{ due }}.roll_up,
        {{ due }}.usage_on,
        {{ due }}.day_starts_ms,
        max({{ due }}.landed_at) as landed_at,
        max({{ due }}.table_count) as table_count,
        cast(sum(events.event_count) as bigint) as event_count,
        cast(sum(events.minutes) as bigint) as minutes,
        {{ true if held_relation(roll_up) else false }} as is_digested,
        max({{ due }}.changed_in) as changed_in,
        false as is_open,
        true as is_due,
        {# To compare with: of days that no roll-up holds, there is none. -#}
        cast({{ 'sum(' ~ usage_weight('events', owner) ~ ')' if held_relation(roll_up) else 'null' }} as decimal(38, 0)) as digest
    from {{ events }} as events
    -- Many to one: a landed row is of one day.
    inner join {{ due }}
        on events.day_starts_ms = {{ due }}.day_starts_ms
        and {{ due }}.roll_up = '{{ roll_up }}'
    where events.event_count > 0
    group by {{ due }}.roll_up, {{ due }}.usage_on, {{ due }}.day_starts_ms
{%- endmacro %}

{% macro held_sums(roll_up, dates, owner) -%}
    select
        {{ dates }}.roll_up,
        {{ dates }}.usage_on,
        {{ dates }}.is_open,
        cast(sum(event_count) as bigint) as event_count,
        cast(sum(minutes) as bigint) as minutes,
        cast(sum(case when {{ dates }}.is_digested then {{ usage_weight('held_rows', owner) }} end) as decimal(38, 0)) as digest
    from {{ held_rows(roll_up, owner) }} as held_rows
    -- Many to one: a row is of one date.
    inner join {{ dates }}
        on held_rows.usage_on = {{ dates }}.usage_on
        and {{ dates }}.roll_up = '{{ roll_up }}'
    group by {{ dates }}.roll_up, {{ dates }}.usage_on, {{ dates }}.is_open
{%- endmacro %}

{#- A row's events and minutes, weighed by two numbers of its owner: they add up, so rows may be split and summed. No minutes are 0. -#}
{% macro usage_weight(rows, owner) -%}
    {{ rows }}.event_count * cast({{ hash64(owner) }} % 4294967296 as bigint)
    + coalesce({{ rows }}.minutes, 0) * cast({{ hash64(owner) }} % 4294967291 as bigint)
{%- endmacro %}

{#- Whether an older day is due today although no load has landed it: a week of days is, and another each day, so that all are within 59 days. -#}
{% macro compared_in_turn(day, as_of) -%}
    cast(floor({{ dbt.datediff("date '2001-01-01'", day, 'day') }} / 7.0) as integer) % 59
    = {{ dbt.datediff("date '2001-01-01'", as_of, 'day') }} % 59
{%- endmacro %}
