-- If false: a mistyped id in seeds/chosen_usage.csv counts nothing for ever, and every customer looks as if they never used it.
{{ untagged(ref('chosen_usage')) }}
