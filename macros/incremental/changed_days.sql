{#-
The closed days that a roll-up sums: all of them at first and on a full refresh, later those that int_landed_days calls changed.
-#}
{% macro changed_days(table) -%}
    select * from {{ ref('int_landed_days') }}
    where
        roll_up = '{{ table }}'
        and not is_open
        and (is_changed or {{ not is_incremental() }})
{%- endmacro %}

{#- The days that no roll-up holds yet. -#}
{% macro open_days(table) -%}
    select * from {{ ref('int_landed_days') }}
    where
        roll_up = '{{ table }}'
        and is_open
{%- endmacro %}

{#-
A pre-hook: deletes the days that are summed again, and those that are open again. Why not one of dbt's strategies: they delete by the
rows that come, and of a day that vanished none comes.
-#}
{% macro forget_changed_days(table) -%}
    {%- if is_incremental() -%}
        {%- set days -%}
            select usage_on from {{ ref('int_landed_days') }}
            where
                roll_up = '{{ table }}'
                and is_changed
        {%- endset -%}
        {{ forgotten_days(this, days) }}
    {%- else -%}
        select 1
    {%- endif -%}
{%- endmacro %}
