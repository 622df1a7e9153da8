{#-
One row per record and property whose value in the CRM is not what the sync model says.

Mechanical: the columns and their policies come from the sync model's YAML, the CRM's current values from its landing,
overlaid with what the ledger says was written after that record was landed. `record_id`, `updated_at` and `is_gone` are the
landing's own columns. A record that we wrote and that has left the sync model is wanted empty. The compiled query names every
column; read it in target/compiled.

Most records differ in nothing, so values become text, which is slow, only for records in which some column differs by value.
-#}
{% macro diff(sync, landing, record_id, updated_at, is_gone, records, writes, rejections) -%}
{%- if execute -%}
{%- set model = sync_model(sync) -%}
{%- set activation = activation_of(model) -%}
{%- set destination = "'" ~ activation.destination ~ "'" -%}
{%- set object = "'" ~ activation.object ~ "'" -%}
{%- set sent = sent_columns(model, landing) -%}
{%- set landed_id = 'landed.' ~ adapter.quote(record_id) -%}
{%- set is_landed = 'not coalesce(landed.' ~ adapter.quote(is_gone) ~ ', false)' -%}
{#- The large relations are named where they are read: an engine may copy out a CTE that is read twice. #}
with

-- Records with a value that we wrote after the record was landed: that value stands there now.
fresh as (

    select records.record_id
    from {{ records }} as records
    inner join {{ landing }} as landed on records.record_id = {{ landed_id }}
    where
        records.destination = '{{ activation.destination }}' and records.object = '{{ activation.object }}'
        and records.written_at > landed.{{ adapter.quote(updated_at) }}

),

-- Records that hold a value of ours and of which the model says nothing any more.
left_behind as (

    select records.record_id
    from {{ records }} as records
    left join {{ sync }} as desired on records.record_id = desired.{{ activation.key }}
    where
        records.destination = '{{ activation.destination }}' and records.object = '{{ activation.object }}'
        and records.has_values
        and desired.{{ activation.key }} is null

),

-- One row per fresh record: the values that the landing does not have yet.
overlaid as (

    select
        written.record_id,
        {%- for item in sent %}
        max(written.after_value) filter (where written.property = '{{ item.property }}') as after_{{ loop.index }},
        bool_or(written.property = '{{ item.property }}') as is_written_{{ loop.index }}{{ "," if not loop.last }}
        {%- endfor %}
    from {{ writes }} as written
    inner join fresh on written.record_id = fresh.record_id
    inner join {{ landing }} as landed on written.record_id = {{ landed_id }}
    where
        written.destination = '{{ activation.destination }}' and written.object = '{{ activation.object }}'
        and written.record_key in (select {{ record_key(destination, object, 'fresh.record_id') }} from fresh)
        and written.written_at > landed.{{ adapter.quote(updated_at) }}
    group by written.record_id

),

-- One row per record in which anything may differ: what it should say and what it says, as text.
candidates as (

    select
        desired.{{ activation.key }} as record_id,
        false as has_left,
        {%- for item in sent %}
        {{ as_text('desired.' ~ item.column, item.family) | trim }} as desired_{{ loop.index }},
        case when overlaid.is_written_{{ loop.index }} then overlaid.after_{{ loop.index }} else {{ item.landed_text }} end as current_{{ loop.index }}{{ "," if not loop.last }}
        {%- endfor %}
    from {{ sync }} as desired
    -- At most one landed record and one overlaid row a record: both are keyed by the record.
    inner join {{ landing }} as landed on desired.{{ activation.key }} = {{ landed_id }}
    left join overlaid on desired.{{ activation.key }} = overlaid.record_id
    where
        {{ is_landed }}
        and (
            overlaid.record_id is not null
            {%- for item in sent %}
            or {{ item.may_differ }}
            {%- endfor %}
        )

    union all

    select
        left_behind.record_id,
        true as has_left,
        {%- for item in sent %}
        cast(null as string) as desired_{{ loop.index }},
        case when overlaid.is_written_{{ loop.index }} then overlaid.after_{{ loop.index }} else {{ item.landed_text }} end as current_{{ loop.index }}{{ "," if not loop.last }}
        {%- endfor %}
    from left_behind
    inner join {{ landing }} as landed on left_behind.record_id = {{ landed_id }}
    left join overlaid on left_behind.record_id = overlaid.record_id
    where {{ is_landed }}

),

differences as (
{% for item in sent %}
    select
        record_id,
        has_left,
        '{{ item.property }}' as property,
        '{{ item.family }}' as family,
        current_{{ loop.index }} as current_value,
        desired_{{ loop.index }} as desired_value,
        '{{ item.meta.get("write", "always") }}' as write_policy,
        '{{ item.meta.get("on_null", "keep") }}' as null_policy,
        '{{ item.meta.get("on_conflict", "hold") }}' as conflict_policy,
        '{{ item.meta.get("on_exit", "keep") }}' as exit_policy
    from candidates
    where {{ differs('current_' ~ loop.index, 'desired_' ~ loop.index, item.family) }}
    {{ "union all" if not loop.last }}
{% endfor %}
),

-- What we last wrote to those records. A ledger holds everything that was ever written, and few records differ: the digest
-- finds theirs without reading the rest.
last_written as (

    select *
    from {{ writes }} as written
    where
        written.destination = '{{ activation.destination }}' and written.object = '{{ activation.object }}'
        and written.record_key in (select {{ record_key(destination, object, 'candidates.record_id') }} from candidates)

),

compared as (

    select
        differences.*,
        written.after_value as last_sent_value,
        written.written_at as last_sent_at,
        written.written_at is not null
        and {{ differs_by('differences.family', 'differences.current_value', 'written.after_value') }}
        -- What we sent and never heard of is not a person's edit.
        and (
            not coalesce(written.has_unanswered, false)
            or {{ differs_by('differences.family', 'differences.current_value', 'written.unanswered_value') }}
        ) as is_edited_since,
        rejected.property_fingerprint as rejected_fingerprint,
        rejected.run_id is not null
        and not {{ differs_by('differences.family', 'differences.desired_value', 'rejected.after_value') }}
            as was_rejected
    from differences
    -- At most one row of either: both are keyed by record and property.
    left join last_written as written
        on
            differences.record_id = written.record_id
            and differences.property = written.property
    left join {{ rejections }} as rejected
        on
            differences.record_id = rejected.record_id
            and differences.property = rejected.property
            and rejected.destination = '{{ activation.destination }}'
            and rejected.object = '{{ activation.object }}'

)

select * from compared
-- A value of a record that has left is ours to think about only where we put one.
where not has_left or last_sent_value is not null
{%- endif -%}
{%- endmacro %}

{#-
The columns of a sync model that are sent, each with its property, family and policies, and with what the landing says of it: as text, and
whether that may be another value than the column's. A landing has a CRM's values as text (HubSpot) or typed (Salesforce).
-#}
{% macro sent_columns(model, landing) -%}
{%- set landed = {} -%}
{%- for column in adapter.get_columns_in_relation(landing) -%}
    {%- do landed.update({column.name.lower(): column}) -%}
{%- endfor -%}
{%- set sent = [] -%}
{%- for column in model.columns.values() if column.config.meta.property -%}
    {%- set family = column_family(column.data_type) -%}
    {%- set landing_column = landed.get(column.config.meta.property | lower) -%}
    {%- if landing_column -%}
        {%- set current = 'landed.' ~ adapter.quote(landing_column.name) -%}
        {%- set kind = landing_column.dtype | lower -%}
        {%- if kind in ['timestamp with time zone', 'timestamptz', 'timestamp'] -%}
            {%- set landed_text = as_text(current, 'datetime') | trim -%}
        {%- elif kind == 'double' -%}
            {%- set landed_text = number_text(current) | trim -%}
        {%- else -%}
            {%- set landed_text = 'cast(' ~ current ~ ' as string)' -%}
        {%- endif -%}
        {%- set wanted = 'desired.' ~ column.name -%}
        {%- set data_type = column.data_type | lower -%}
        {%- set is_text = kind.startswith('varchar') or kind in ['text', 'string'] -%}
        {#-
        Whether the column's number or the landed text may have more than the 15 digits that a double keeps: a text of 15 characters
        has no more, nor has a number of `scale` decimals below 10 to the power of 15 - scale.
        -#}
        {%- set name, _, size = data_type.partition('(') -%}
        {%- set digits, _, scale = size.rstrip(') ').partition(',') -%}
        {%- set is_whole = name in ['tinyint', 'smallint', 'integer', 'int', 'bigint', 'long', 'hugeint'] -%}
        {%- set is_long -%}
        {%- if is_text and (name in ['tinyint', 'smallint', 'integer', 'int', 'double'] or 0 < digits | int <= 15) -%}
        length({{ current }}) > 15
        {%- elif is_text and (is_whole or digits) -%}
        (length({{ current }}) > 15 or abs(cast({{ wanted }} as double)) > 1e{{ 15 - scale | trim | int }})
        {%- else -%} true
        {%- endif -%}
        {%- endset -%}
        {#- A double stands for the shortest text that gives it back, not for all its binary digits. -#}
        {%- set exact = 'cast(' ~ wanted ~ ' as string)' if data_type in ['double', 'float', 'real'] else wanted -%}
        {#-
        True for all values that differ, and for a few that do not; a landing that has a double can tell no more than its 15 digits.
        Cheaper than `differs`, as the column hardly ever becomes text.
        -#}
        {%- set may_differ -%}
    (
        {%- if family == 'string' %}
        nullif({{ wanted }}, '') is distinct from nullif(cast({{ current }} as string), '')
        {%- elif family == 'number' %}
        try_cast({{ current }} as double) is distinct from cast({{ wanted }} as double)
        {%- if kind != 'double' %}
        -- Of more than 15 digits, two numbers may be one double.
        or (
            {{ is_long | trim }}
            and try_cast({{ current }} as decimal(38, 9)) is distinct from try_cast({{ exact }} as decimal(38, 9))
        )
        {%- endif %}
        {%- elif is_text %}
        {#- A moment is sent in whole seconds (as_text). #}
        {{ as_value(current, family) }} is distinct from
        {% if family == 'datetime' -%} date_trunc('second', cast({{ wanted }} as timestamp))
        {%- else -%} cast({{ wanted }} as {{ family }})
        {%- endif %}
        {%- elif family == 'datetime' %}
        date_trunc('second', cast({{ current }} as timestamp)) is distinct from date_trunc('second', cast({{ wanted }} as timestamp))
        {%- else %}
        cast({{ current }} as string) is distinct from cast({{ wanted }} as string)
        {%- endif %}
        {%- if is_text and family != 'string' %}
        -- Text that is no such value, where there should be none.
        or ({{ wanted }} is null and nullif({{ current }}, '') is not null)
        {%- endif %}
    )
        {%- endset -%}
    {%- else -%}
        {%- set landed_text = 'cast(null as string)' -%}
        {%- set may_differ = 'desired.' ~ column.name ~ ' is not null' -%}
    {%- endif -%}
    {%- do sent.append({
        'column': column.name,
        'property': column.config.meta.property,
        'family': family,
        'meta': column.config.meta,
        'landed_text': landed_text,
        'may_differ': may_differ,
    }) -%}
{%- endfor -%}
{{ return(sent) }}
{%- endmacro %}

{#- What a contract's data type comes down to; whatever is not listed is a number. -#}
{% macro column_family(data_type) -%}
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
{{ return(families.get(data_type.lower().split('(')[0].strip(), 'number')) }}
{%- endmacro %}

{#- The node of a sync model, found by its relation. -#}
{% macro sync_model(sync) -%}
    {{ return(graph.nodes.values() | selectattr('resource_type', 'equalto', 'model') | selectattr('name', 'equalto', sync.identifier) | first) }}
{%- endmacro %}

{#- What the exposure of a sync model declares. -#}
{% macro activation_of(model) -%}
    {%- set exposure = graph.exposures.values() | selectattr('depends_on.nodes', 'equalto', [model.unique_id]) | first -%}
    {%- if not exposure -%}
        {{ exceptions.raise_compiler_error(model.original_file_path ~ ": no exposure depends on " ~ model.name ~ " alone; declare its activation") }}
    {%- endif -%}
    {{ return(exposure.config.meta.activation) }}
{%- endmacro %}
