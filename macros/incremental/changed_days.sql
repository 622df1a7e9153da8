{#-
The days that a roll-up sums: all of them at first and on a full refresh, later those that int_landed_days calls changed.
-#}
{% macro changed_days(table) -%}
    select * from {{ ref('int_landed_days') }}
    where
        roll_up = '{{ table }}'
        and (is_changed or {{ not is_incremental() }})
{%- endmacro %}

{#-
A pre-hook: deletes the days that are summed again. Why not one of dbt's strategies: they delete by the rows that come, and of
a day that vanished none comes.
-#}
{% macro forget_changed_days(table) -%}
    {%- if is_incremental() -%}
        delete from {{ this }} where usage_on in (
            select usage_on from ({{ changed_days(table) }}) as changed_days
        )
    {%- else -%}
        select 1
    {%- endif -%}
{%- endmacro %}
