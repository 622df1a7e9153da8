{#-
Which rows an incremental build has to work out again: those whose key has a write that was landed since the last build. On a first
run and on a full refresh, all.
-#}
{% macro rows_landed_since(relation, key) -%}
    {%- if is_incremental() -%}
        ({{ key | join(', ') }}) in (
            select
                {% for column in key -%}
                fresh.{{ column }}{{ "," if not loop.last }}
                {% endfor -%}
            from {{ relation }} as fresh
            where fresh.loaded_at > (select coalesce(max(known.loaded_at), timestamp '1970-01-01') from {{ this }} as known)
        )
    {%- else -%}
        true
    {%- endif -%}
{%- endmacro %}
