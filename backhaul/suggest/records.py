"""Records as they are compared: one spelling for every way to write a name, a company, a phone, an address, an email.

Nothing is guessed: a kanji name and its reading are different texts, and stay so.
"""

from __future__ import annotations

import re
import unicodedata

import duckdb

from backhaul.spelling import spelt_email
from backhaul.suggest.comparisons import BLOCKS, MOST_SHARING

# What a company's name may do without, written as `spelt_text` writes it.
_LEGAL_FORMS = """
    ab ag as bv co company corp corporation gmbh inc incorporated kg kk limited llc llp ltd nv oy plc pty sa sarl sas
    spa srl 株 有
"""
_LEGAL = re.compile(
    "株式会社|有限会社|合同会社|有限公司|주식회사|" + "|".join(rf"\b{form}\b" for form in _LEGAL_FORMS.split())
)
# Dropped without a gap, as in O'Neill, S.A. and the dot in ジョン・スミス.
_JOINING = frozenset("'’`.·・")  # noqa: RUF001  as typed
# Chinese and Japanese characters, kana and Korean syllables: names in these are written without a space.
_UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}ー]+"
# The longest text of that kind that is taken for a family name alone: 田中, 林, 김, but not 田中太郎.
_LONGEST_FAMILY = 2
# Digits at a number's end that tell telephones apart, whatever country code or zero comes before.
_TELLING_DIGITS = 8


def spelt_text(text: str) -> str:
    """Write a text in small letters, marks and digits, in the plain one of Unicode's forms, a space between words."""
    kept = (
        character if unicodedata.category(character)[0] in "LMN" else "" if character in _JOINING else " "
        for character in unicodedata.normalize("NFKC", text).casefold()
    )
    return unicodedata.normalize("NFKC", " ".join("".join(kept).split()))


def spelt_company(text: str) -> str:
    """Write a company's name without spaces and legal form; a name that is nothing else is kept."""
    spelt = spelt_text(text)
    return "".join(_LEGAL.sub(" ", spelt).split()) or spelt.replace(" ", "")


def spelt_emails(text: str) -> list[str]:
    """Write addresses with semicolons between as the match rules compare them, each once."""
    return list(dict.fromkeys(spelt for part in text.split(";") if "@" in (spelt := spelt_email(part))))


def spelt_phones(text: str) -> list[str]:
    """Give the telling digits of telephone numbers with semicolons between; fewer digits are an extension, and none."""
    digits = ("".join(re.findall(r"[0-9]", unicodedata.normalize("NFKC", part))) for part in text.split(";"))
    return list(dict.fromkeys(part[-_TELLING_DIGITS:] for part in digits if len(part) >= _TELLING_DIGITS - 1))


def register(connection: duckdb.DuckDBPyConnection) -> None:
    """Give a connection the functions above; null stays null."""
    text, texts = duckdb.sqltype("VARCHAR"), duckdb.sqltype("VARCHAR[]")
    for one in (spelt_text, spelt_company):
        connection.create_function(one.__name__, one, [text], text)
    for several in (spelt_emails, spelt_phones):
        connection.create_function(several.__name__, several, [text], texts)


# What persons and organisations have alike.
_PLACE = """
            nullif(spelt_company(company), '') as company_key,
            case when phones is not null then nullif(spelt_phones(phones), []) end as phones,
            phones as shown_phones,
            nullif(replace(spelt_text(street), ' ', ''), '') as street_key,
            nullif(replace(spelt_text(postal_code), ' ', ''), '') as postal_key,
            nullif(spelt_text(city), '') as city_key,
            nullif(concat_ws(', ', street, postal_code, city), '') as shown_address
"""
_PERSON = f"""
    with

    spelt as (

        select
            * exclude (phones, emails),
            nullif(spelt_text(given_name), '') as given,
            nullif(spelt_text(family_name), '') as family,
            nullif(spelt_text(full_name), '') as whole,
            nullif(trim(concat_ws(' ', given_name, family_name, full_name)), '') as shown_name,
            case when emails is not null then nullif(spelt_emails(emails), []) end as emails,
            emails as shown_emails,
            {_PLACE}
        from compared

    ),

    told as (

        select
            *,
            given is not null and family is not null as is_parted,
            -- One word is a family name, whichever field it was typed into.
            case
                when given is not null and family is not null then [given, family]
                else string_split(coalesce(whole, family, given), ' ')
            end as words
        from spelt

    ),

    named as (

        select
            *,
            not is_parted and len(words) = 1
            -- Without spaces, a longer one may be all of the name.
            and not (length(words[1]) > {_LONGEST_FAMILY} and regexp_full_match(words[1], '{_UNSPACED}')) as is_bare,
            replace(array_to_string(words, ''), ' ', '') as in_order,
            replace(words[-1] || array_to_string(words[1:-2], ''), ' ', '') as last_first
        from told

    )

    select
        *,
        least(in_order, last_first) as name_key,
        -- Which of the names comes first is not the same everywhere.
        case when is_bare then [] else list_distinct([in_order, last_first]) end as name_forms,
        case when is_parted then family when is_bare then words[1] end as family_key,
        case
            when is_parted then [family]
            when is_bare then words
            when len(words) > 1 then list_distinct([words[1], words[-1]])
            -- 田中太郎 may be of the family 田, 田中 or 田中太.
            when len(words) = 1
                then list_transform(range(1, least(4, length(words[1]))), lambda size: left(words[1], size))
        end as family_forms,
        -- A street without its town is in every town.
        street_key || ' ' || postal_key as address_key,
        phones[1] as phone_key,
        list_transform(emails, lambda email: regexp_replace(email, '[+][^@]*@', '@')) as untagged,
        -- A short mailbox, such as info or al, is anybody's.
        list_filter(
            list_transform(emails, lambda email: regexp_replace(email, '([+][^@]*)?@.*$', '')),
            lambda mailbox: length(mailbox) >= 5
        ) as mailboxes
    from named
"""
_ORGANISATION = f"""
    with

    spelt as (

        select
            * exclude (phones),
            company as shown_name,
            domain as shown_emails,
            domain as domain_key,
            {_PLACE}
        from compared

    )

    select
        *,
        street_key || ' ' || postal_key as address_key,
        phones[1] as phone_key
    from spelt
"""


def spell(connection: duckdb.DuckDBPyConnection, kind: str, system: str, side: str) -> None:
    """Make `<side>_records`, a system's records as they are compared, and `<side>_keys`, what brings two together.

    Reads the tables `compared` and `open_ids` (system, unique_id). A record that is not open has no keys: it is there
    to tell how common values are and what the known pairs look like.
    """
    form = _PERSON if kind == "person" else _ORGANISATION
    connection.execute(
        f"""
        create table {side}_records as
        select object || ' ' || record_id as unique_id, *
        from ({form.replace("from compared", f"from compared where system = '{system}'")}) as records
        order by unique_id
        """
    )
    blocks = " union all ".join(
        f"select unique_id, unnest({block}) as key from {side}_records" for block in BLOCKS[kind]
    )
    connection.execute(
        f"""
        create table {side}_keys as
        select distinct blocks.unique_id, blocks.key
        from ({blocks}) as blocks
        inner join open_ids on blocks.unique_id = open_ids.unique_id and open_ids.system = '{system}'
        where blocks.key is not null
        qualify count(*) over (partition by blocks.key) <= {MOST_SHARING}
        """
    )
