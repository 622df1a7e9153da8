{{ diff(
    sync=ref('sync_pendo__visitors'),
    landing=ref('stg_pendo__visitor_metadata'),
    record_id='visitor_id',
    updated_at='updated_at',
    is_gone='is_excluded',
    records=ref('int_records__written'),
    writes=ref('int_writes__latest'),
    rejections=ref('int_writes__rejected'),
) }}
