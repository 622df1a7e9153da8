{{ reconcile(
    sync=ref('sync_salesforce__contacts'),
    landing=source('salesforce', 'contact'),
    record_id='Id',
    updated_at='SystemModstamp',
    is_gone='IsDeleted',
    writes=ref('int_writes__latest'),
) }}
