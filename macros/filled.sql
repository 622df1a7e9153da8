{#- A test: rows of a seed in which somebody left out what every row must say. One test for all such columns, as a seed has no contract. -#}
{% test filled(model, columns) %}
select * from {{ model }}
where
    {% for column in columns -%}
    {{ column }} is null{{ " or " if not loop.last }}
    {%- endfor %}
{% endtest %}
