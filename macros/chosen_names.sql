{#- The column names that the seed chosen_usage gives, in its order of the alphabet; read when the model is compiled. -#}
{% macro chosen_names(seed) -%}
    {%- if not execute or load_relation(seed) is none -%}
        {{ return([]) }}
    {%- endif -%}
    {{ return(run_query('select distinct column_name from ' ~ seed ~ ' order by column_name').columns[0].values() | list) }}
{%- endmacro %}
