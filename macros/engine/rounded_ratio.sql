{#-
    Two decimals divide to a double in DuckDB and to a decimal in Spark, and neither rounds
    1.005 to 1.01 from a double. Scaled to a whole number first, a tie is exact in both.
-#}
{%- macro rounded_ratio(numerator, denominator, precision, scale) -%}
    cast(
        round(
            cast(({{ numerator }}) * {{ 10 ** scale }} as double)
            / nullif({{ denominator }}, 0)
        ) / {{ 10 ** scale }} as decimal({{ precision }}, {{ scale }})
    )
{%- endmacro -%}
