{{ reconcile(
    sync=ref('sync_salesforce__subscriptions'),
    landing=source('salesforce', 'subscription__c'),
    record_id='Id',
    updated_at='SystemModstamp',
    is_gone='IsDeleted',
    writes=ref('int_writes__latest'),
) }}
