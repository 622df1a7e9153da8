{{ config(
    materialized='incremental',
    unique_key=['destination', 'object', 'record_id'],
    on_schema_change='sync_all_columns',
) }}

with

writes as (

    select * from {{ ref('int_writes__latest') }}
    where {{ rows_landed_since(ref('int_writes__latest'), ['destination', 'object', 'record_id']) }}

)

select
    destination,
    object,
    record_id,
    max(written_at) as written_at,
    bool_or(after_value is not null) as has_values,
    max(loaded_at) as loaded_at
from writes
group by all
