{{ reconcile(
    sync=ref('sync_salesforce__leads'),
    landing=source('salesforce', 'lead'),
    record_id='Id',
    updated_at='SystemModstamp',
    is_gone='IsDeleted',
    writes=ref('int_writes__latest'),
) }}
