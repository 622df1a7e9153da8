{{ config(materialized='table') }}

with

source as (

    select * from {{ source('pendo', 'visitors') }}

),

reads as (

    select * from {{ source('pendo', 'reads') }}
    where object = 'visitors'

)

select
    {{ metadata_columns('sync_pendo__visitors') }}
    source.visitor_id,
    -- Pendo's own time of a visitor's last update moves with every visit, and need not move with metadata.
    reads.read_at as updated_at,
    coalesce(source.do_not_process, false) as is_excluded
from source
-- One row: visitors are read as a whole.
left join reads on true
