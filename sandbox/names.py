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
GIVEN = (
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
FAMILY = (
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
