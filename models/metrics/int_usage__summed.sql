{{ config(meta={'uncompressed': true}) }}
{%- set longest = var('window_days') | max -%}
{%- set words = activity_columns() -%}
{%- set sums = window_sum_columns() -%}
{%- set open_sums = open_sum_columns() -%}
{%- set columns = {'visitor_key': 'bigint', 'account_key': 'bigint', 'as_of': 'date', 'key_check': 'bigint', 'changed_in': 'bigint'} -%}
{%- for name in words + (sums | list) + (open_sums | list) %}{% do columns.update({name: 'bigint'}) %}{% endfor -%}
with

events as (

    select * from {{ ref('stg_pendo__events') }}

),

days as (

    {{ open_days('int_usage__closed') }}

),

-- Rows that add up: open days as they were landed, as all are summed below.
usage as (

    select
        {{ visitor_key() }} as visitor_key,
        {{ account_key() }} as account_key,
        usage_on,
        event_count,
        minutes
    from (
        select
            visitor_id,
            account_id,
            usage_on,
            event_count,
            minutes
        from {{ ref('int_usage__closed') }}

        union all

        {{ dated_rows('events', 'days', ['visitor_id', 'account_id']) }}
    ) as by_names

),

today as (

    select
        max(as_of) as as_of,
        max(closed_through) as closed_through

    from {{ ref('dim_windows') }}

),

prior as (

    {{ prior_rows(columns) }}

),

prior_sums as (

    select
        max(as_of) as as_of,
        max(key_check) as key_check,
        max(changed_in) as changed_in,
        sum(minutes_{{ 2 * longest }}) as minutes,
        sum(events_{{ longest }}) as events

    -- Not from the CTE above: what is read twice is copied first, and this is large.
    from ({{ prior_rows(columns) }}) as prior_rows

),

usage_days as (

    select
        usage_on,
        sum(event_count) as events,
        sum(minutes) as minutes,
        bool_or(is_changed) as is_changed,
        max(changed_in) as changed_in

    from {{ ref('int_landed_days') }}
    where
        roll_up = 'int_usage__closed'
        and day_starts_ms is not null
    group by usage_on

),

-- The last run is gone on from if it is not too long ago, if keys are what they were, if none of the days
-- that it summed has changed since, and if they still add up to what they did, which they do not where
-- one has vanished. Otherwise this is empty, and all is summed anew.
trusted as (

    select
        prior_sums.as_of,
        prior_sums.as_of - {{ var('open_days') + 1 }} as closed_through,
        cast({{ dbt.datediff('prior_sums.as_of', 'today.as_of', 'day') }} as integer) as age

    from prior_sums
    cross join today
    inner join usage_days
        on usage_days.usage_on >= prior_sums.as_of - {{ 2 * longest }}
        and usage_days.usage_on <= prior_sums.as_of - {{ var('open_days') + 1 }}
    where
        {{ dbt.datediff('prior_sums.as_of', 'today.as_of', 'day') }}
        between 0 and {{ days_a_word() - 1 }}
        and prior_sums.key_check = {{ key_check() }}
    group by prior_sums.as_of, prior_sums.minutes, prior_sums.events, prior_sums.changed_in, today.as_of
    having
        max(usage_days.changed_in) <= prior_sums.changed_in
        -- Somebody may have built the roll-up alone.
        and not coalesce(bool_or(usage_days.is_changed), false)
        and sum(usage_days.minutes) = prior_sums.minutes
        and sum(
            {{ in_window('prior_sums.as_of', longest, 'prior_sums.as_of') }} * usage_days.events
        ) = prior_sums.events

),

changes as (

    select max(changed_in) as changed_in
    from {{ ref('int_landed_days') }}
    where roll_up = 'int_usage__closed'

),

-- What a day adds to each sum of the closed days, or takes from it: 1 or -1. An open day may be another tomorrow and is
-- summed apart. What a day does not touch is null and not 0: to add nothing costs less than to add 0.
moves as (

    select
        usage_days.usage_on,
        {% for days in summed_lengths() -%}
        nullif(
            {{ in_window('today.as_of', days, 'today.closed_through') }}
            - {{ in_window('trusted.as_of', days, 'trusted.closed_through') }}, 0
        ) as last_{{ days }},
        {% endfor -%}
        {% for name in open_sums -%}
        nullif({{ in_open_sum(name, 'today.as_of') }}, 0) as {{ name }},
        {% endfor -%}
        {% for name in words -%}
        {{
            activity_bit(
                loop.index0,
                dbt.datediff('usage_days.usage_on', 'today.as_of', 'day'),
                'trusted.as_of is null or usage_on > trusted.closed_through'
            )
        }} as {{ name }}{{ "," if not loop.last }}
        {% endfor %}
    from usage_days
    cross join today
    left join trusted
        on true

),

moved as (

    select
        usage.visitor_key,
        usage.account_key,
        {% for name in words -%}
        moves.{{ name }},
        {% endfor -%}
        {% for name, measure in sums.items() -%}
        usage.{{ measure }} * moves.last_{{ name.split('_') | last }} as {{ name }},
        {% endfor -%}
        {% for name, measure in open_sums.items() -%}
        usage.{{ measure }} * moves.{{ name }} as {{ name }}{{ "," if not loop.last }}
        {% endfor %}
    from usage
    -- Many to one: a row of usage is of one day.
    inner join moves
        on usage.usage_on = moves.usage_on
    where
        {% for days in summed_lengths() -%}
        moves.last_{{ days }} is not null or {% endfor -%}
        {% for name in words -%}
        moves.{{ name }} is not null{{ " or " if not loop.last }}
        {%- endfor %}

),

-- Active days grow older: their bits move up, and on into the next column. Those of days that were open are let go,
-- as those days are summed again.
kept as (

    select
        prior.visitor_key,
        prior.account_key,
        {% for name in words -%}
        prior.{{ name }} & {{ closed_bits(loop.index0) }} as {{ name }},
        {% endfor -%}
        {{ sums | join(', ') }},
        trusted.age
    from prior
    cross join trusted

),

aged as (

    select
        visitor_key,
        account_key,
        {% for name in words -%}
        (({{ name }} % (cast(1 as bigint) << ({{ days_a_word() }} - age))) << age)
        | ({{ loop.previtem if loop.previtem else '0' }} >> ({{ days_a_word() }} - age))
            as {{ name }},
        {% endfor -%}
        {% for name in sums -%}
        {{ name }},
        {% endfor -%}
        {% for name in open_sums -%}
        null as {{ name }}{{ "," if not loop.last }}
        {% endfor %}
    from kept

),

combined as (

    select * from aged

    union all

    select * from moved

),

summed as (

    select
        visitor_key,
        account_key,
        {% for name in words -%}
        coalesce(bit_or({{ name }}), 0) as {{ name }},
        {% endfor -%}
        {% for name in (sums | list) + (open_sums | list) -%}
        coalesce({{ whole_sum(name) }}, 0) as {{ name }}{{ "," if not loop.last }}
        {% endfor %}
    from combined
    group by visitor_key, account_key

)

select
    summed.*,
    today.as_of,
    {{ key_check() }} as key_check,
    changes.changed_in
from summed
cross join today
cross join changes
-- Whose days have all left the windows is forgotten.
where
    {% for name in words + (sums | list) -%}
    {{ name }} <> 0 or {% endfor -%}
    {% for name in open_sums -%}
    {{ name }} <> 0{{ " or " if not loop.last }}
    {%- endfor %}
