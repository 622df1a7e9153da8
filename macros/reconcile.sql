{#-
One row per value that an activation's last run sent and the CRM confirmed: whether the landing has it as it was sent.

Mechanical, like `diff`: `record_id`, `updated_at` and `is_gone` are the landing's own columns.
-#}
{% macro reconcile(sync, landing, record_id, updated_at, is_gone, writes) -%}
{%- if execute -%}
{%- set model = sync_model(sync) -%}
{%- set activation = activation_of(model) -%}
with

landed as (

    select * from {{ landing }}

),

written as (

    select * from {{ writes }}
    where destination = '{{ activation.destination }}' and object = '{{ activation.object }}'

),

last_run as (

    select max(run_id) as run_id from written

),

sent as (

    select written.*
    from written
    inner join last_run on written.run_id = last_run.run_id

),

found as (
{% for item in sent_columns(model, landing) %}
    select
        sent.*,
        landed.{{ adapter.quote(record_id) }} is null or coalesce(landed.{{ adapter.quote(is_gone) }}, false) as is_gone,
        landed.{{ adapter.quote(updated_at) }} >= date_trunc('second', sent.written_at) as is_landed_since,
        {{ item.landed_text }} as landed_value,
        {{ differs(item.landed_text, 'sent.after_value', item.family) | trim }} as is_different
    from sent
    -- At most one: a landing has a record once.
    left join landed on sent.record_id = landed.{{ adapter.quote(record_id) }}
    where sent.property = '{{ item.property }}'
    {{ "union all" if not loop.last }}
{% endfor %}
)

select
    activation,
    destination,
    object,
    run_id,
    record_id,
    property,
    after_value as sent_value,
    landed_value,
    written_at,
    case
        when is_gone then 'gone'
        when not is_landed_since then 'not_landed'
        when is_different then 'different'
        else 'as_sent'
    end as status
from found
{%- endif -%}
{%- endmacro %}
