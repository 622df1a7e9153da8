{#-
An address as a key: surrounding white space off, full-width characters as the plain ones that they stand for, composed, lower case.
Engines have no NFKC; the full-width block is the part of it that people type into CRMs.
-#}
{% macro normalized_email(expression) -%}
{%- set wide = '！＂＃＄％＆＇（）＊＋，－．／０１２３４５６７８９：；＜＝＞？＠ＡＢＣＤＥＦＧＨＩＪＫＬＭＮＯＰＱＲＳＴＵＶＷＸＹＺ［＼］＾＿｀ａｂｃｄｅｆｇｈｉｊｋｌｍｎｏｐｑｒｓｔｕｖｗｘｙｚ｛｜｝～' -%}
{%- set plain = "!\"#$%&''()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~" -%}
nullif(
    lower({{ composed("translate(regexp_replace(" ~ expression ~ ", '^[\\s\\p{Z}]+|[\\s\\p{Z}]+$', '', 'g'), '" ~ wide ~ "', '" ~ plain ~ "')") }}),
    ''
)
{%- endmacro %}
