{{ event_diff(
    sync=ref('sync_hubspot__events'),
    chosen=ref('sent_events'),
    writes=ref('int_writes__latest'),
    rejections=ref('int_writes__rejected'),
) }}
