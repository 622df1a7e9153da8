-- If false: a mistyped id in seeds/sent_events.csv sends nothing for ever, and sales believes that nobody uses the thing.
{{ untagged(ref('sent_events')) }}
