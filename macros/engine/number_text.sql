{#- A double as a person writes it: 12 and not 12.0, and without an exponent from a ten-thousandth to 10 to the power of 16. Beyond, each
engine has its own way: such texts are compared as values. -#}
{% macro number_text(number) -%}
    {{ return(adapter.dispatch('number_text', 'backhaul')(number)) }}
{%- endmacro %}

{% macro duckdb__number_text(number) -%}
    regexp_replace(cast({{ number }} as string), '[.]0$', '')
{%- endmacro %}

{#- Spark writes an exponent from 10 million on, and below a thousandth. -#}
{% macro spark__number_text(number) -%}
    case
        when {{ number }} = 0 then '0'
        when abs({{ number }}) >= 1e16 or abs({{ number }}) < 1e-4
            then regexp_replace(lower(cast({{ number }} as string)), '[.]0(e|$)', '$1')
        else trim(trailing '.' from trim(trailing '0' from cast(cast({{ number }} as decimal(38, 20)) as string)))
    end
{%- endmacro %}
