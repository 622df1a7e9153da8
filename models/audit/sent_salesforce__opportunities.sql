{{ reconcile(
    sync=ref('sync_salesforce__opportunities'),
    landing=source('salesforce', 'opportunity'),
    record_id='Id',
    updated_at='SystemModstamp',
    is_gone='IsDeleted',
    writes=ref('int_writes__latest'),
) }}
