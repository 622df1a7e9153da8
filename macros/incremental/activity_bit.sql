{#- A day's bit in an activity column, when `condition` holds; otherwise null. -#}
{% macro activity_bit(word, days_ago, condition) -%}
    case
        when ({{ condition }}) and {{ days_ago }} between {{ word * days_a_word() + 1 }} and {{ (word + 1) * days_a_word() }}
            then cast(1 as bigint) << cast({{ days_ago }} - {{ word * days_a_word() + 1 }} as integer)
    end
{%- endmacro %}
