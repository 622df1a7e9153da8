{#- Sums of the use of each chosen name, by an owner: a visitor or an account. -#}
{% macro chosen_sums(used, chosen, owner, names) -%}
    select
        {% for name in names -%}
        {% for days in var('window_days') -%}
        {% for measure in ['events', 'minutes'] -%}
        sum({{ used }}.{{ measure }}_{{ days }}) filter (where {{ chosen }}.column_name = '{{ name }}')
            as {{ name }}_{{ measure }}_last_{{ days }},
        {% endfor -%}
        {% endfor -%}
        {% endfor -%}
        {{ used }}.{{ owner }}

    from {{ used }}
    -- Many to one: a page or feature is chosen once.
    inner join {{ chosen }}
        on {{ used }}.kind = {{ chosen }}.kind
        and {{ used }}.tagged_id = {{ chosen }}.tagged_id
    group by {{ used }}.{{ owner }}
{%- endmacro %}

{#- The same, joined to those who may have used nothing. -#}
{% macro chosen_columns(summed, names) -%}
    {% for name in names -%}
    {% for days in var('window_days') -%}
    {% for measure in ['events', 'minutes'] -%}
    cast(coalesce({{ summed }}.{{ name }}_{{ measure }}_last_{{ days }}, 0) as bigint)
        as {{ name }}_{{ measure }}_last_{{ days }},
    {% endfor -%}
    {% endfor -%}
    {% endfor -%}
{%- endmacro %}
