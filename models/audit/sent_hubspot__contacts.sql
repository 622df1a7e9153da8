{{ reconcile(
    sync=ref('sync_hubspot__contacts'),
    landing=source('hubspot', 'contacts'),
    record_id='id',
    updated_at='updated_at',
    is_gone='archived',
    writes=ref('int_writes__latest'),
) }}
