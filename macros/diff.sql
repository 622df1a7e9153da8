{#-
One row per record and property whose value in the CRM is not what the sync model says.

Mechanical: the columns and their policies come from the sync model's YAML, the CRM's current values from its landing,
overlaid with what the ledger says was written after that record was landed. `record_id` and `updated_at` are the landing's
own columns. The compiled query names every column; read it in target/compiled.
-#}
{% macro diff(sync, landing, record_id, updated_at, writes) -%}
{%- if execute -%}
{%- set model = (graph.nodes.values() | selectattr('resource_type', 'equalto', 'model') | selectattr('name', 'equalto', sync.identifier) | first) -%}
{%- set exposure = (graph.exposures.values() | selectattr('depends_on.nodes', 'equalto', [model.unique_id]) | first) -%}
{%- if not exposure -%}
    {{ exceptions.raise_compiler_error(model.original_file_path ~ ": no exposure depends on " ~ sync.identifier ~ " alone; declare its activation") }}
{%- endif -%}
{%- set activation = exposure.config.meta.activation -%}
{%- set landed = {} -%}
{%- for column in adapter.get_columns_in_relation(landing) -%}
    {%- do landed.update({column.name.lower(): column}) -%}
{%- endfor -%}
{#- What a contract's data type comes down to; whatever is not listed is a number. -#}
{%- set families = {
    'varchar': 'string',
    'text': 'string',
    'string': 'string',
    'boolean': 'boolean',
    'date': 'date',
    'timestamp': 'datetime',
    'timestamptz': 'datetime',
    'timestamp with time zone': 'datetime',
} -%}
{%- set sent = [] -%}
{%- for column in model.columns.values() if column.config.meta.property -%}
    {%- do sent.append({
        'column': column.name,
        'property': column.config.meta.property,
        'family': families.get(column.data_type.lower().split('(')[0].strip(), 'number'),
        'meta': column.config.meta,
    }) -%}
{%- endfor -%}
with

desired as (

    select * from {{ sync }}

),

landed as (

    select * from {{ landing }}

),

-- One row per record: the value that we last sent for each property, and when.
written as (

    select
        record_id,
        {%- for item in sent %}
        max(after_value) filter (where property = '{{ item.property }}') as after_{{ loop.index }},
        max(written_at) filter (where property = '{{ item.property }}') as at_{{ loop.index }},
        coalesce(bool_or(has_unanswered) filter (where property = '{{ item.property }}'), false) as lost_{{ loop.index }},
        max(unanswered_value) filter (where property = '{{ item.property }}') as lost_value_{{ loop.index }}{{ "," if not loop.last }}
        {%- endfor %}
    from {{ writes }}
    where destination = '{{ activation.destination }}' and object = '{{ activation.object }}'
    group by record_id

),

-- One row per record of the sync model: what it should say, what it says, what we last sent.
compared as (

    select
        desired.{{ activation.key }} as record_id,
        {%- for item in sent %}
        {{ as_text('desired.' ~ item.column, item.family) | trim }} as desired_{{ loop.index }},
        {%- set landing_column = landed.get(item.property | lower) %}
        {%- if not landing_column %}
            {%- set current = 'cast(null as varchar)' %}
        {%- elif landing_column.dtype | lower is in ['timestamp with time zone', 'timestamptz'] %}
            {%- set current = as_text('landed.' ~ adapter.quote(landing_column.name), 'datetime') | trim %}
        {%- elif landing_column.dtype | lower == 'double' %}
            {#- As a person writes it: 12 and not 12.0. #}
            {%- set current = "regexp_replace(cast(landed." ~ adapter.quote(landing_column.name) ~ " as varchar), '[.]0$', '')" %}
        {%- else %}
            {%- set current = 'cast(landed.' ~ adapter.quote(landing_column.name) ~ ' as varchar)' %}
        {%- endif %}
        case
            when written.at_{{ loop.index }} > landed.{{ adapter.quote(updated_at) }} then written.after_{{ loop.index }}
            else {{ current }}
        end as current_{{ loop.index }},
        written.after_{{ loop.index }} as sent_{{ loop.index }},
        written.at_{{ loop.index }} as sent_at_{{ loop.index }},
        coalesce(written.lost_{{ loop.index }}, false) as lost_{{ loop.index }},
        written.lost_value_{{ loop.index }}{{ "," if not loop.last }}
        {%- endfor %}
    from desired
    -- At most one landed record and one row of the ledger a record: both are keyed by the record.
    inner join landed on desired.{{ activation.key }} = landed.{{ adapter.quote(record_id) }}
    left join written on desired.{{ activation.key }} = written.record_id

)
{% for item in sent %}
select
    record_id,
    '{{ item.property }}' as property,
    '{{ item.family }}' as family,
    current_{{ loop.index }} as current_value,
    desired_{{ loop.index }} as desired_value,
    sent_{{ loop.index }} as last_sent_value,
    sent_at_{{ loop.index }} as last_sent_at,
    sent_at_{{ loop.index }} is not null
    and {{ differs('current_' ~ loop.index, 'sent_' ~ loop.index, item.family) }}
    -- What we sent and never heard of is not a person's edit.
    and (not lost_{{ loop.index }} or {{ differs('current_' ~ loop.index, 'lost_value_' ~ loop.index, item.family) }}) as is_edited_since,
    '{{ item.meta.get("write", "always") }}' as write_policy,
    '{{ item.meta.get("on_null", "keep") }}' as null_policy,
    '{{ item.meta.get("on_conflict", "hold") }}' as conflict_policy
from compared
where {{ differs('current_' ~ loop.index, 'desired_' ~ loop.index, item.family) }}
{{ "union all" if not loop.last }}
{% endfor %}
{%- endif -%}
{%- endmacro %}
