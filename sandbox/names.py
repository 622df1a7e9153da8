"""Names that the world gives to people and companies, each with a form fit for an address."""

from __future__ import annotations

_GIVEN = """
    Ada Alan Amara Anita Arthur Bella Boris Carla Chen Dalia Daniel Edith Elena Emil Fatou Felix
    Grace Hana Hugo Ines Ivan Jane John Julia Kamal Karin Leo Lina Marco Maria Mei Mina Nadia
    Noah Olga Omar Paula Peter Priya Quinn Rosa Ruth Sam Sara Tariq Thea Uma Viktor Wendy Yara
    Zane
"""
_FAMILY = """
    Abbott Ahmed Andersen Baker Banerjee Brown Castro Clark Costa Diaz Dubois Evans Fischer Fox
    Garcia Gupta Hansen Hill Ito Jensen Jones Kaur Khan King Kowalski Lang Larsen Lee Lopez
    Martin Meyer Moreau Moss Nair Nowak Okafor Olsen Park Patel Perez Reed Ricci Rossi Santos
    Schmidt Shah Silva Singh Smith Stone Suzuki Tanaka Taylor Vance Walker Weber Wong Wright
    Young Zhang
"""
_COMPANY = """
    Acme Alder Amber Arbor Aster Basalt Beacon Birch Brook Canyon Cedar Cobalt Comet Coral Crest
    Delta Dune Echo Ember Falcon Fern Fjord Flint Garnet Glacier Grove Harbor Haven Heron Indigo
    Iris Juniper Kestrel Lagoon Larch Linden Lotus Maple Meadow Mesa Nimbus Nova Oak Onyx Orchid
    Osprey Pebble Pine Quartz Raven Ridge Rowan Sable Sage Sierra Summit Tidal Umber Vale Willow
"""

# (as the person writes it, as an address spells it)
_COMMON_GIVEN = (
    *((name, name.lower()) for name in _GIVEN.split()),
    ("Zoë", "zoe"),
    ("José", "jose"),
    ("Łukasz", "lukasz"),
    ("Søren", "soren"),
    ("Siân", "sian"),
    ("Sam 🚀", "samr"),
    ("花子", "hanako"),
    ("健太", "kenta"),
    ("Наталья", "natalya"),
    ("Дмитрий", "dmitry"),
    ("ليلى", "layla"),
    ("يوسف", "yusuf"),
    ("민준", "minjun"),
)
_COMMON_FAMILY = (
    *((name, name.lower()) for name in _FAMILY.split()),
    ("O'Neill", "oneill"),
    ("Müller", "mueller"),
    ("Nuñez", "nunez"),
    ("Şahin", "sahin"),
    ("de la Cruz", "delacruz"),
    ("佐藤", "sato"),
    ("山田", "yamada"),
    ("Иванова", "ivanova"),
    ("Петров", "petrov"),
    ("حداد", "haddad"),
    ("김", "kim"),
)
# Given and family names of languages that fields, files and screens get wrong: two family names,
# letters beyond Latin-1, from right to left, an accent that is a character of its own.
LANGUAGES = (
    (
        (("María José", "mariajose"), ("Íñigo", "inigo"), ("Begoña", "begona")),
        (("García Márquez", "garciamarquez"), ("Muñoz Ibáñez", "munozibanez"), ("Núñez de Balboa", "nunezdebalboa")),
    ),
    (
        (("さくら", "sakura"), ("一郎", "ichiro"), ("ヴィクトリア", "bikutoria")),
        (("高橋", "takahashi"), ("齋藤", "saito"), ("﨑山", "sakiyama")),
    ),
    (
        (("נועה", "noa"), ("יוסי", "yossi"), ("שרה־לאה", "saraleah")),  # noqa: RUF001 - Hebrew, not lookalikes
        (("כהן", "cohen"), ("לוי", "levy"), ("בן־דוד", "bendavid")),
    ),
    (
        (("محمد", "mohammed"), ("فاطمة الزهراء", "fatimazahra"), ("عبد الرحمن", "abdulrahman")),
        (("الحسن", "alhasan"), ("بن علي", "benali"), ("الخوري", "alkhoury")),
    ),
    (
        (("Rémi", "remi"), ("Trâm", "tram")),
        (("Lévy", "levyfr"), ("Nguyễn", "nguyen")),
    ),
)
GIVEN = (*_COMMON_GIVEN, *(name for given, _ in LANGUAGES for name in given))
FAMILY = (*_COMMON_FAMILY, *(name for _, family in LANGUAGES for name in family))
COMMON_GIVEN, COMMON_FAMILY = len(_COMMON_GIVEN), len(_COMMON_FAMILY)
COMPANY = tuple(_COMPANY.split())
TRADE = ("Robotics", "Foods", "Health", "Logistics", "Energy", "Media", "Bank", "Labs", "Retail")
ROLES = ("admin", "analyst", "engineer", "manager", "viewer")
TITLES = (
    "Account Executive",
    "Analyst",
    "CFO",
    "Data Engineer",
    "Director of Operations",
    "Head of Growth",
    "Product Manager",
    "Support Lead",
    "VP Sales",
)
INDUSTRIES = ("Banking", "Energy", "Healthcare", "Manufacturing", "Media", "Retail", "Technology")
# Anybody can have an address here, so such a domain never says which company somebody is of.
FREE_MAIL = ("gmail.com", "outlook.com", "yahoo.co.jp")
# (street, city, state, postal code, country), as people type them; the street lacks its number.
PLACES = (
    ("Main Street", "Springfield", "IL", "62701", "United States"),
    ("Market St.", "San Francisco", "CA", "94105", "USA"),
    ("5th Ave", "New York", "New York", "10001", "US"),
    ("Rua Augusta", "São Paulo", "SP", "01305-000", "Brasil"),
    ("Calle de Alcalá", "Madrid", None, "28014", "España"),
    ("Av. Insurgentes Sur", "Ciudad de México", "CDMX", "03100", "Mexico"),
    ("Königstraße", "Stuttgart", None, "70173", "Germany"),
    ("King's Road", "London", None, "SW3 5XP", "United Kingdom"),
    ("ul. Świętokrzyska", "Warszawa", None, "00-116", "Poland"),
    ("銀座", "東京都中央区", None, "104-0061", "日本"),
    ("דרך בגין", "תל אביב", None, "6701101", "Israel"),
    ("شارع الشيخ زايد", "دبي", None, None, "UAE"),
)
