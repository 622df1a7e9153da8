{{ reconcile(
    sync=ref('sync_pendo__accounts'),
    landing=ref('stg_pendo__account_metadata'),
    record_id='account_id',
    updated_at='updated_at',
    is_gone='is_excluded',
    writes=ref('int_writes__latest'),
) }}
