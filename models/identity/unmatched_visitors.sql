{{ unmatched('visitor') }}
