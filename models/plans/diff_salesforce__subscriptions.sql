{{ diff(
    sync=ref('sync_salesforce__subscriptions'),
    landing=source('salesforce', 'subscription__c'),
    record_id='Id',
    updated_at='SystemModstamp',
    is_gone='IsDeleted',
    records=ref('int_records__written'),
    writes=ref('int_writes__latest'),
    rejections=ref('int_writes__rejected'),
) }}
