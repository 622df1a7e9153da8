{#-
What a number of days say in the landing and in a roll-up, as one number each. The sums of a day are the same when its usage moves from
one visitor, account or page to another; these numbers are not, however the rows are ordered or split.
-#}
{% macro digested_days(table, landed, days, owner) -%}
    select
        '{{ table }}' as roll_up,
        usage_on,
        max(digest) filter (where is_landed) as landed_digest,
        max(digest) filter (where not is_landed) as held_digest
    from (
        select
            {{ days }}.usage_on,
            true as is_landed,
            {{ usage_digest(owner) }} as digest
        from {{ landed }} as landed
        inner join {{ days }}
            on landed.day_starts_ms = {{ days }}.day_starts_ms
            and {{ days }}.roll_up = '{{ table }}'
        where event_count > 0
        group by {{ days }}.usage_on

        union all

        select
            usage_on,
            false as is_landed,
            {{ usage_digest(owner) }} as digest
        from {{ held_rows(table, owner) }} as held_rows
        where usage_on in (select usage_on from {{ days }} where roll_up = '{{ table }}')
        group by usage_on
    ) as digests
    group by usage_on
{%- endmacro %}

{#- Each owner's events and minutes, weighed by two numbers of theirs: it adds up, so rows may be split and summed. No minutes are 0. -#}
{% macro usage_digest(owner) -%}
    sum(
        event_count * cast({{ hash64(owner) }} % 4294967296 as bigint)
        + coalesce(minutes, 0) * cast({{ hash64(owner) }} % 4294967291 as bigint)
    )
{%- endmacro %}

{#- Whether an older day's digest is compared today: a week of days is, and another each day, so that all are within 59 days. -#}
{% macro compared_in_turn(day, as_of) -%}
    cast(floor({{ dbt.datediff("date '2001-01-01'", day, 'day') }} / 7.0) as integer) % 59
    = {{ dbt.datediff("date '2001-01-01'", as_of, 'day') }} % 59
{%- endmacro %}
