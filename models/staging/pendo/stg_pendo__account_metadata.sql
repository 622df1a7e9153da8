{{ config(materialized='table') }}

with

source as (

    select * from {{ source('pendo', 'accounts') }}

),

reads as (

    select * from {{ source('pendo', 'reads') }}
    where object = 'accounts'

)

select
    {{ metadata_columns('sync_pendo__accounts') }}
    source.account_id,
    -- Pendo's own time of an account's last update moves with every visit, and need not move with metadata.
    reads.read_at as updated_at,
    false as is_excluded
from source
-- One row: accounts are read as a whole.
left join reads on true
