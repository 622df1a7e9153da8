{{ unmatched('account') }}
