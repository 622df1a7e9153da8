with

-- Not from staging: all metrics wait for this, and dbt begins with what has nothing to wait for.
reads as (

    select * from {{ source('pendo', 'reads') }}

),

lengths as (

    select window_days
    from (values ({{ window_lengths() | join('), (') }})) as lengths (window_days)

),

landing as (

    select {{ date_in_zone('max(read_at)', var('subscription_time_zone')) }} as landed_on
    from reads
    where object = 'events'

),

today as (

    -- The day of the last landing, not the clock: days that have not landed
    -- must never look like days without usage.
    select
        landed_on,
        coalesce(cast(nullif('{{ var("as_of") }}', 'None') as date), landed_on) as as_of
    from landing

),

windows as (

    select
        lengths.window_days,
        today.as_of,
        today.as_of - lengths.window_days as starts_on,
        today.as_of - 1 as ends_on,
        today.as_of - 2 * lengths.window_days as previous_starts_on,
        today.as_of - lengths.window_days - 1 as previous_ends_on,
        -- The next landing reads the open days again, and none that is older.
        today.as_of - {{ var('open_days') + 1 }} as closed_through,
        today.landed_on

    from lengths
    cross join today

)

select * from windows
