{%- macro unnest_distinct_strings(json, text) -%}
    {{ return(adapter.dispatch('unnest_distinct_strings', 'backhaul')(json, text)) }}
{%- endmacro -%}

{#- Most lists have the text alone, and to see that costs a tenth of taking them apart. -#}
{%- macro duckdb__unnest_distinct_strings(json, text) -%}
    unnest(
        case
            when {{ json }} = cast(to_json([{{ text }}]) as string) then [{{ text }}]
            else list_distinct(list_append(coalesce(from_json({{ json }}, '["varchar"]'), []), {{ text }}))
        end
    )
{%- endmacro -%}

{%- macro spark__unnest_distinct_strings(json, text) -%}
    explode(array_distinct(array_append(coalesce(from_json({{ json }}, 'array<string>'), array()), {{ text }})))
{%- endmacro -%}
