{#-
How many pages and features each owner, a visitor or an account, used in each window: one row per owner. A thing counts once, however many
rows of usage there are. The page allevents is none: it is what Pendo calls events on pages that it does not know.
-#}
{% macro counted_things(used, owner) -%}
    select
        {{ owner }},
        {% for days in var('window_days') -%}
        cast(count(*) filter (where kind = 'page' and events_{{ days }} > 0) as integer)
            as pages_viewed_last_{{ days }},
        cast(count(*) filter (where kind = 'feature' and events_{{ days }} > 0) as integer)
            as features_used_last_{{ days }}{{ "," if not loop.last }}
        {% endfor %}
    from (
        select
            {{ owner }},
            kind,
            tagged_id,
            {% for days in var('window_days') -%}
            sum(events_{{ days }}) as events_{{ days }}{{ "," if not loop.last }}
            {% endfor %}
        from {{ used }}
        where
            {{ owner }} is not null
            and not (kind = 'page' and tagged_id = 'allevents')
        group by {{ owner }}, kind, tagged_id
    ) as things
    group by {{ owner }}
{%- endmacro %}

{#- The same, joined to those who may have used nothing. -#}
{% macro depth_columns(depth) -%}
    {% for days in var('window_days') -%}
    coalesce({{ depth }}.pages_viewed_last_{{ days }}, 0) as pages_viewed_last_{{ days }},
    coalesce({{ depth }}.features_used_last_{{ days }}, 0) as features_used_last_{{ days }}{{ "," if not loop.last }}
    {% endfor %}
{%- endmacro %}
