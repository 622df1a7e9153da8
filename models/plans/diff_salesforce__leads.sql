{{ diff(
    sync=ref('sync_salesforce__leads'),
    landing=source('salesforce', 'lead'),
    record_id='Id',
    updated_at='SystemModstamp',
    is_gone='IsDeleted',
    records=ref('int_records__written'),
    writes=ref('int_writes__latest'),
    rejections=ref('int_writes__rejected'),
) }}
