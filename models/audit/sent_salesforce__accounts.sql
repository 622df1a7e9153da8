{{ reconcile(
    sync=ref('sync_salesforce__accounts'),
    landing=source('salesforce', 'account'),
    record_id='Id',
    updated_at='SystemModstamp',
    is_gone='IsDeleted',
    writes=ref('int_writes__latest'),
) }}
