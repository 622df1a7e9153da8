{#-
The rows that an incremental table holds; none on a full refresh and before it was first built. It is looked up by its name and not
by ref(), because what comes of it decides what that table does next.
-#}
{% macro held_rows(table, owner) -%}
    {%- set held = load_relation(this.incorporate(path={'identifier': table})) if continues() else none -%}
    {%- if held is none -%}
        (
            select
                {% for column in owner -%}
                cast(null as string) as {{ column }},
                {% endfor -%}
                cast(null as date) as usage_on,
                cast(null as bigint) as event_count,
                cast(null as bigint) as minutes
            where false
        )
    {%- else -%}
        {{ held }}
    {%- endif -%}
{%- endmacro %}
