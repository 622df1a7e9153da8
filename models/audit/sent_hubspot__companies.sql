{{ reconcile(
    sync=ref('sync_hubspot__companies'),
    landing=source('hubspot', 'companies'),
    record_id='id',
    updated_at='updated_at',
    is_gone='archived',
    writes=ref('int_writes__latest'),
) }}
