"""Which records are associated with which, and under which labels.

An association is kept from both sides: every kind of association has an inverse, and a pair of
records that has any has its pair's unlabelled one too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

HUBSPOT_DEFINED, USER_DEFINED = "HUBSPOT_DEFINED", "USER_DEFINED"
FIRST_OWN_ID = 100
Pair = tuple[str, str]
Key = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of association from one object type to another; no label is the plain one.

    A record may have one association of an `only` kind: setting it takes it from another.
    """

    category: str
    type_id: int
    inverse_id: int
    name: str
    label: str | None = None
    only: bool = False

    @property
    def key(self) -> Key:
        """What tells this kind from the others of its pair."""
        return self.category, self.type_id

    @property
    def inverse(self) -> Key:
        """The key of the same association seen from the other side."""
        return self.category, self.inverse_id

    def shown(self) -> dict[str, object]:
        """Give the kind as a list of associations and a list of labels do."""
        return {"category": self.category, "typeId": self.type_id, "label": self.label}


# From, to, id, inverse id, label, inverse label, and whether there can be only one.
_PLAIN: tuple[tuple[str, str, int, int], ...] = (
    ("contacts", "companies", 279, 280),
    ("deals", "companies", 341, 342),
    ("tickets", "companies", 339, 340),
    ("contacts", "deals", 4, 3),
    ("contacts", "tickets", 15, 16),
    ("deals", "tickets", 27, 28),
    ("tasks", "contacts", 204, 203),
    ("tasks", "companies", 192, 191),
    ("tasks", "deals", 216, 215),
    ("tasks", "tickets", 230, 229),
    ("contacts", "contacts", 449, 449),
    ("companies", "companies", 450, 450),
    ("deals", "deals", 451, 451),
    ("tickets", "tickets", 452, 452),
)
_PRIMARY = (("contacts", 1, 2), ("deals", 5, 6), ("tickets", 26, 25))


class Links:
    """Every association of one account, and the kinds that there are."""

    def __init__(self, singulars: Mapping[str, str]) -> None:
        self._singulars = dict(singulars)
        self._kinds: dict[Pair, dict[Key, Kind]] = {}
        self._links: dict[Pair, dict[int, dict[int, frozenset[Key]]]] = {}
        self._sets: dict[frozenset[Key], frozenset[Key]] = {}
        self._next_id = FIRST_OWN_ID
        self.generation = 0
        for one, other, type_id, inverse_id in _PLAIN:
            plural = "_UNLABELED" if other == "companies" and one in {"contacts", "deals", "tickets"} else ""
            self._add(one, other, HUBSPOT_DEFINED, (type_id, inverse_id), suffix=plural)
        for one, type_id, inverse_id in _PRIMARY:
            self._add(one, "companies", HUBSPOT_DEFINED, (type_id, inverse_id), ("Primary", "Primary Company"))
        # From a parent company to its child.
        self._add("companies", "companies", HUBSPOT_DEFINED, (13, 14), ("Child Company", "Parent Company"))

    def _add(  # noqa: PLR0913, PLR0917
        self,
        one: str,
        other: str,
        category: str,
        ids: tuple[int, int],
        labels: tuple[str | None, str | None] = (None, None),
        name: str | None = None,
        suffix: str = "",
    ) -> tuple[Kind, Kind]:
        there = name or f"{self._singulars[one]}_TO_{self._singulars[other]}{suffix}".upper()
        back = name or f"{self._singulars[other]}_TO_{self._singulars[one]}{suffix}".upper()
        primary = labels[0] == "Primary"
        forth = Kind(category, ids[0], ids[1], there, labels[0], only=primary)
        inverse = Kind(category, ids[1], ids[0], back, labels[1])
        self._kinds.setdefault((other, one), {})[inverse.key] = inverse
        self._kinds.setdefault((one, other), {})[forth.key] = forth
        return forth, inverse

    def connect(self, one: str, other: str, singulars: Mapping[str, str]) -> None:
        """Let two types be associated, one of them the account's own."""
        self._singulars |= singulars
        if (one, other) not in self._kinds:
            ids = (self._new_id(), self._new_id()) if one != other else (self._new_id(),) * 2
            self._add(one, other, USER_DEFINED, ids)

    def add_label(self, one: str, other: str, name: str, label: str, inverse: str | None) -> tuple[Kind, Kind]:
        """Make a label of the account's own, in both directions."""
        return self._add(one, other, USER_DEFINED, (self._new_id(), self._new_id()), (label, inverse or label), name)

    def rename(self, one: str, other: str, kind: Kind) -> None:
        """Keep a changed label."""
        self._kinds[one, other][kind.key] = kind

    def remove_label(self, one: str, other: str, kind: Kind) -> None:
        """Take a label away from the account and from every association that has it."""
        for pair, key in (((one, other), kind.key), ((other, one), kind.inverse)):
            self._kinds[pair].pop(key, None)
            for links in self._links.get(pair, {}).values():
                for number, keys in links.items():
                    links[number] = keys - {key}
        self.generation += 1

    def _new_id(self) -> int:
        self._next_id += 1
        return self._next_id

    def kinds(self, one: str, other: str) -> Mapping[Key, Kind]:
        """Give the kinds from one type to another; none if the two cannot be associated."""
        return self._kinds.get((one, other), {})

    def plain(self, one: str, other: str) -> Kind:
        """Give the kind without a label of a pair that can be associated."""
        return next(kind for kind in self._kinds[one, other].values() if kind.label is None)

    def partners(self, name: str) -> list[str]:
        """List the types that a type's records can be associated with."""
        return [other for one, other in self._kinds if one == name]

    def of(self, one: str, number: int, other: str) -> list[tuple[int, list[Kind]]]:
        """List a record's associations with another type, by record number, labelled kinds last."""
        kinds = self.kinds(one, other)
        links = self._links.get((one, other), {}).get(number, {})
        return [
            (to, sorted((kinds[key] for key in keys), key=lambda kind: (kind.label or "", kind.type_id)))
            for to, keys in sorted(links.items())
        ]

    def has(self, one: str, number: int, other: str, to: int) -> bool:
        """Tell whether two records are associated."""
        return to in self._links.get((one, other), {}).get(number, {})

    def put(  # noqa: PLR0913 - two records, each of a type, and how they are associated
        self, one: str, number: int, other: str, to: int, kinds: Iterable[Kind], *, adds: bool = False
    ) -> None:
        """Associate two records under these kinds and the plain one, instead of those they had.

        With `adds` those they had stay.
        """
        given = (self.plain(one, other), *kinds)
        for kind in given:
            if kind.only:
                self._take(one, number, other, kind)
            back = self.kinds(other, one)[kind.inverse]
            if back.only:
                self._take(other, to, one, back)
        before = self._links.get((one, other), {}).get(number, {}).get(to, frozenset()) if adds else frozenset()
        known = self.kinds(one, other)
        keys = before | {kind.key for kind in given}
        self._set(one, number, other, to, keys)
        # Between records of one type the other side is kept in the same place.
        self._set(other, to, one, number, frozenset(known[key].inverse for key in keys))
        self.generation += 1

    def _take(self, one: str, number: int, other: str, kind: Kind) -> None:
        for to, keys in self._links.get((one, other), {}).get(number, {}).items():
            if kind.key in keys:
                self._links[one, other][number][to] = keys - {kind.key}
                self._links[other, one][to][number] -= {kind.inverse}

    def _set(self, one: str, number: int, other: str, to: int, keys: frozenset[Key]) -> None:
        links = self._links.setdefault((one, other), {}).setdefault(number, {})
        if keys:
            # One set for all that are alike: there are millions.
            links[to] = self._sets.setdefault(keys, keys)
        else:
            links.pop(to, None)

    def remove(self, one: str, number: int, other: str, to: int, kinds: Iterable[Kind] = ()) -> None:
        """Take labels from an association; with none, or with the plain one, end it."""
        ended = {kind.key for kind in kinds}
        left = self._links.get((one, other), {}).get(number, {}).get(to, frozenset()) - ended
        if not ended or self.plain(one, other).key not in left:
            left = frozenset()
        known = self.kinds(one, other)
        self._set(one, number, other, to, left)
        self._set(other, to, one, number, frozenset(known[key].inverse for key in left))
        self.generation += 1

    def forget(self, name: str, number: int) -> None:
        """End every association of a record."""
        for other in self.partners(name):
            for to in list(self._links.get((name, other), {}).get(number, {})):
                self.remove(name, number, other, to)

    def move(self, name: str, primary: int, secondary: int, number: int) -> None:
        """Give a merged record the associations of both; the primary's single ones win."""
        for old in (secondary, primary):
            for other in self.partners(name):
                for to, kinds in self.of(name, old, other):
                    self.remove(name, old, other, to)
                    if to not in {primary, secondary} or other != name:
                        self.put(name, number, other, to, kinds, adds=True)
