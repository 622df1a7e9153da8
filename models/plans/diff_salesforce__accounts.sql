{{ diff(
    sync=ref('sync_salesforce__accounts'),
    landing=source('salesforce', 'account'),
    record_id='Id',
    updated_at='SystemModstamp',
    writes=ref('int_writes__latest'),
) }}
