"""What a suggestion compares and what each likeness counts: the decisions of `backhaul suggest`, in one place.

A level is the first of its comparison that holds for two records; `_l` and `_r` are the two. `m` is how often two
records of one identity stand on that level, `u` how often two of different ones do: it counts log2(m / u) bits.

These are what is taken for granted. What the warehouse shows is weighed in, as far as there is enough of it: `m` from
the pairs that the match rules have found, `u` from pairs of records at random. A level that is `fixed` is not learnt.
"""

from __future__ import annotations

from dataclasses import dataclass

# Suggestions below this probability are not written.
LEAST_PROBABILITY = 0.05
# Of the records that have no partner, the part taken to have one all the same in the other system.
PARTNERED = 0.5
# How many observations the numbers below are worth: known pairs for m, random pairs for u, records for frequencies.
WORTH_OF_M = 100
WORTH_OF_U = 10_000
WORTH_OF_FREQUENCY = 1_000
# At most so many pairs at random are looked at for u; which ones is decided by a hash with this seed.
RANDOM_PAIRS = 2_000_000
SEED = 6
# What more records of one system share than this brings no two records together: nothing is compared with everything.
MOST_SHARING = 50


@dataclass(frozen=True, slots=True)
class Level:
    """One degree of likeness. With `common`, a column of the records, a value that many have counts less."""

    name: str
    condition: str
    m: float
    u: float
    common: str | None = None
    fixed: bool = False


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is compared. Of two records of which one does not have it, nothing is said; what is left is `otherwise`."""

    name: str
    missing: str
    levels: tuple[Level, ...]
    otherwise: Level


NAME = Comparison(
    "name",
    "name_key_l is null or name_key_r is null",
    (
        Level("same name", "list_has_any(name_forms_l, name_forms_r)", 0.80, 0.001, "name_key"),
        Level(
            "same name but for a slip",
            "not is_bare_l and not is_bare_r and least(length(name_key_l), length(name_key_r)) >= 6 "
            "and jaro_winkler_similarity(name_key_l, name_key_r) >= 0.94",
            0.10,
            0.0005,
        ),
        # A bare family name is anybody's of that name. How many they are is what shares out the probability.
        Level(
            "same family name, and one has no other",
            "(is_bare_l or is_bare_r) and list_has_any(family_forms_l, family_forms_r)",
            0.05,
            0.0005,
        ),
        Level("same family name, another given name", "family_key_l = family_key_r", 0.01, 0.01),
    ),
    Level("another name", "else", 0.04, 0.988),
)
COMPANY = Comparison(
    "company",
    "company_key_l is null or company_key_r is null",
    (
        Level("same company", "company_key_l = company_key_r", 0.75, 0.01, "company_key"),
        Level(
            "company of a similar name",
            "least(length(company_key_l), length(company_key_r)) >= 5 "
            "and (starts_with(company_key_l, company_key_r) or starts_with(company_key_r, company_key_l) "
            "or jaro_winkler_similarity(company_key_l, company_key_r) >= 0.94)",
            0.10,
            0.01,
        ),
    ),
    Level("another company", "else", 0.15, 0.98),
)
# A number counts less where a switchboard has it. Country codes and the zero in their place are not compared.
PHONE = Comparison(
    "phone",
    "phones_l is null or phones_r is null",
    (Level("same number", "list_has_any(phones_l, phones_r)", 0.50, 0.001, "phone_key"),),
    Level("another number", "else", 0.50, 0.999),
)
ADDRESS = Comparison(
    "address",
    "(address_key_l is null and postal_key_l is null) or (address_key_r is null and postal_key_r is null)",
    (
        Level("same street and postal code", "address_key_l = address_key_r", 0.40, 0.001, "address_key"),
        Level("same postal code", "postal_key_l = postal_key_r", 0.20, 0.02),
        Level("same city", "city_key_l = city_key_r", 0.10, 0.05),
    ),
    Level("another address", "else", 0.30, 0.929),
)
# Pairs of one address are the rules' to find, so what they found tells nothing of the addresses of the rest.
# An address made of the name hardly says more than the name has said.
EMAIL = Comparison(
    "email",
    "emails_l is null or emails_r is null",
    (
        Level("same address", "list_has_any(emails_l, emails_r)", 0.02, 0.00001, fixed=True),
        Level("same address but for a tag", "list_has_any(untagged_l, untagged_r)", 0.05, 0.00005, fixed=True),
        Level(
            "same address but for a slip in the host",
            "list_has_any(mailboxes_l, mailboxes_r) and jaro_winkler_similarity(untagged_l[1], untagged_r[1]) >= 0.95",
            0.05,
            0.0005,
            fixed=True,
        ),
        Level("same mailbox elsewhere", "list_has_any(mailboxes_l, mailboxes_r)", 0.15, 0.05, fixed=True),
    ),
    Level("another address", "else", 0.73, 0.95, fixed=True),
)
DOMAIN = Comparison(
    "email",
    "domain_key_l is null or domain_key_r is null",
    (Level("same domain", "domain_key_l = domain_key_r", 0.70, 0.001, "domain_key", fixed=True),),
    Level("another domain", "else", 0.30, 0.999, fixed=True),
)
# An organisation is little but its name.
ORGANISATION = Comparison(
    "company",
    COMPANY.missing,
    (
        Level("same name", COMPANY.levels[0].condition, 0.80, 0.001, "company_key"),
        Level("similar name", COMPANY.levels[1].condition, 0.10, 0.005),
    ),
    Level("another name", "else", 0.10, 0.994),
)

# By kind of record. A name is no part of an organisation but as its company; its domain stands for its email.
COMPARISONS = {
    "person": (NAME, COMPANY, PHONE, ADDRESS, EMAIL),
    "organisation": (ORGANISATION, PHONE, ADDRESS, DOMAIN),
}
# Two records are compared only if they share one of these: lists of texts, written as SQL over the spelt records.
BLOCKS = {
    "person": (
        "list_transform(name_forms, lambda form: 'name ' || form)",
        "list_transform(family_forms, lambda form: 'family ' || form)",
        "list_transform(family_forms, lambda form: 'family ' || form || ' of ' || company_key)",
        "list_transform(family_forms, lambda form: 'family ' || form || ' at ' || postal_key)",
        "list_transform(phones, lambda number: 'phone ' || number)",
        "['address ' || address_key]",
        "list_transform(mailboxes, lambda mailbox: 'mailbox ' || mailbox)",
    ),
    "organisation": (
        "['name ' || company_key]",
        "['name ' || left(company_key, 8)]",
        "list_transform(phones, lambda number: 'phone ' || number)",
        "['address ' || address_key]",
        "['domain ' || domain_key]",
    ),
}
