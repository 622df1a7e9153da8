{#-
The days that an incremental table holds, with their sums; none on a full refresh and before it was first built. It is looked up by
its name and not by ref(), because what comes of it decides what that table does next.
-#}
{% macro held_sums(table) -%}
    {%- set held = none -%}
    {%- if continues() -%}
        {%- set held = load_relation(this.incorporate(path={'identifier': table})) -%}
    {%- endif -%}
    {%- if held is none -%}
        select
            cast(null as date) as usage_on,
            cast(null as bigint) as event_count,
            cast(null as bigint) as minutes
        where false
    {%- else -%}
        select
            usage_on,
            sum(event_count) as event_count,
            sum(minutes) as minutes
        from {{ held }}
        group by usage_on
    {%- endif -%}
{%- endmacro %}
