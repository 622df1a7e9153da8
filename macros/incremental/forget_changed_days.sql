{#-
A pre-hook: deletes the days that may have changed since they were summed, so that the model sums them again. Why not
one of dbt's strategies: they delete by the rows that come, and of a day that vanished none comes.
-#}
{% macro forget_changed_days(landed) -%}
    {%- if is_incremental() -%}
        delete from {{ this }} where usage_on in ({{ changed_days(landed, this) }})
    {%- else -%}
        select 1
    {%- endif -%}
{%- endmacro %}

{#-
The days of a roll-up that may say something else than what is landed: the open days, which the loader reads again on each
run, and any other day that no longer adds up, because somebody landed old files or the source was read again in full.
-#}
{% macro changed_days(landed, held) -%}
    with

    landed_sums as (

        select
            usage_on,
            sum(event_count) as event_count,
            sum(minutes) as minutes

        from ({{ landed_days(landed) }}) as landed_days
        group by usage_on

    ),

    held_sums as (

        select
            usage_on,
            sum(event_count) as event_count,
            sum(minutes) as minutes

        from {{ held }}
        group by usage_on

    )

    select held_sums.usage_on
    from held_sums
    left join landed_sums
        on held_sums.usage_on = landed_sums.usage_on
    where
        held_sums.usage_on > (select max(closed_through) from {{ ref('dim_windows') }})
        or landed_sums.usage_on is null
        or held_sums.event_count <> landed_sums.event_count
        or held_sums.minutes <> landed_sums.minutes
{%- endmacro %}
