{#-
A table of the last build that there is to go on from; none on a full refresh and before the first build.
-#}
{% macro held_relation(table) -%}
    {{ return(there(table) if continues() else none) }}
{%- endmacro %}

{#-
A table of the last build, whether it is gone on from or not; none before the first. It is looked up by its name and not by ref(), because what
comes of it decides what that table says next.
-#}
{% macro there(table) -%}
    {{ return(load_relation(this.incorporate(path={'identifier': table})) if execute else none) }}
{%- endmacro %}

{#- The rows of a table that there is to go on from, which may be none. -#}
{% macro held_rows(table, owner) -%}
    {%- set held = held_relation(table) -%}
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
