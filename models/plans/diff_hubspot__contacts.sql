{{ diff(
    sync=ref('sync_hubspot__contacts'),
    landing=source('hubspot', 'contacts'),
    record_id='id',
    updated_at='updated_at',
    is_gone='archived',
    records=ref('int_records__written'),
    writes=ref('int_writes__latest'),
    rejections=ref('int_writes__rejected'),
) }}
