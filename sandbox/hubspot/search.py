"""HubSpot's CRM search: what it accepts, what it finds, and how far it pages.

It matches records as they were when last indexed, and shows them as they are now; a record that
was archived since still counts in the total.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import takewhile
from typing import Any

import orjson

from sandbox.hubspot.definitions import Property
from sandbox.hubspot.errors import HubSpotError, invalid
from sandbox.hubspot.store import HubSpotStore
from sandbox.hubspot.tables import Record, Table
from sandbox.hubspot.values import epoch, whole

MOST_CHARACTERS = 3000
MOST_GROUPS = 5
MOST_FILTERS_IN_GROUP = 6
MOST_FILTERS = 18
MOST_RESULTS = 10_000
LARGEST_PAGE = 200
DEFAULT_PAGE = 10
_TOKEN = re.compile(r"\w+")

Comparable = str | int | float
Read = Callable[[Record], Comparable | None]
Test = Callable[[Record], bool]
# Both sides of a comparison have the property's type, which is all that these need.
_ORDER: Mapping[str, Callable[[Any, Any], bool]] = {
    "LT": operator.lt,
    "LTE": operator.le,
    "GT": operator.gt,
    "GTE": operator.ge,
}


@dataclass(frozen=True, slots=True)
class Found:
    """One page of a search: record numbers, how many match, and where the next page begins."""

    numbers: Sequence[int]
    total: int
    after: str | None


def search(store: HubSpotStore, table: Table, body: Mapping[str, object]) -> Found:
    """Find one page of records. Raises HubSpotError for what HubSpot does not accept."""
    limit = _whole(body.get("limit", DEFAULT_PAGE), "limit")
    if not 1 <= limit <= LARGEST_PAGE:
        raise invalid(f"The limit must be between 1 and {LARGEST_PAGE}, was {limit}")
    after = _whole(body.get("after") or 0, "after")
    if after + limit > MOST_RESULTS:
        raise invalid(f"Paging past the first {MOST_RESULTS} results of a search is not possible")
    indexed = table.index.at(store.now())
    asked = [body.get(name) for name in ("filterGroups", "filters", "sorts", "query")]
    key = orjson.dumps([table.kind.name, table.index.generation, store.links.generation, *asked])
    if key != table.index.last_search[0]:
        # Further pages of the same search need no second scan.
        table.index.last_search = key, tuple(_matches(store, table, body, indexed))
    matches = table.index.last_search[1]
    end = after + limit
    following = str(end) if end < len(matches) else None
    return Found(matches[after:end], len(matches), following)


def _matches(
    store: HubSpotStore, table: Table, body: Mapping[str, object], indexed: dict[int, Record]
) -> Iterable[int]:
    groups = _filter_groups(store, table, body)
    order = _order(table, body)
    candidates = _candidates(table, body, indexed)
    if groups:
        candidates = [record for record in candidates if any(all(t(record) for t in group) for group in groups)]
    text = body.get("query")
    if text:
        words = _tokens(str(text))
        read = [_text_reader(table, name) for name in table.kind.text]
        candidates = [record for record in candidates if _has_words(words, read, record)]
    return (record.number for record in order(candidates))


def _candidates(table: Table, body: Mapping[str, object], indexed: dict[int, Record]) -> Iterable[Record]:
    """Give the records that can match: the recently modified ones if the only group asks so.

    The index is in the order of modification, so these are its tail.
    """
    groups = _raw_groups(body)
    if len(groups) == 1:
        for rule in _raw_filters(groups[0]):
            bounded = str(rule.get("operator")) in {"GT", "GTE"}
            if bounded and rule.get("propertyName") == table.kind.modified:
                return _modified_since(indexed, epoch(str(rule.get("value"))) or 0)
    return indexed.values()


def _modified_since(indexed: dict[int, Record], since: int) -> Iterable[Record]:
    return takewhile(lambda record: record.updated >= since, reversed(indexed.values()))


def _raw_groups(body: Mapping[str, object]) -> list[object]:
    groups = body.get("filterGroups")
    if groups is None and body.get("filters"):
        groups = [{"filters": body["filters"]}]
    return groups if isinstance(groups, list) else []


def _raw_filters(group: object) -> list[Mapping[str, object]]:
    filters = group.get("filters") if isinstance(group, dict) else None
    if not isinstance(filters, list) or not all(isinstance(rule, dict) for rule in filters):
        raise invalid("Each filter group must have a list of filters")
    return filters


def _filter_groups(store: HubSpotStore, table: Table, body: Mapping[str, object]) -> list[list[Test]]:
    groups = [_raw_filters(group) for group in _raw_groups(body)]
    if len(groups) > MOST_GROUPS:
        raise invalid(f"A search cannot have more than {MOST_GROUPS} filter groups")
    if any(len(filters) > MOST_FILTERS_IN_GROUP for filters in groups):
        raise invalid(f"A filter group cannot have more than {MOST_FILTERS_IN_GROUP} filters")
    if sum(map(len, groups)) > MOST_FILTERS:
        raise invalid(f"A search cannot have more than {MOST_FILTERS} filters")
    return [[_rule(store, table, rule) for rule in filters] for filters in groups]


def _rule(store: HubSpotStore, table: Table, rule: Mapping[str, object]) -> Test:
    """Make one filter into a test of a record."""
    name = str(rule.get("propertyName"))
    if name.startswith("associations."):
        return _association_test(store, table, name.partition(".")[2], rule)
    return _test(table, rule)


def _test(table: Table, rule: Mapping[str, object]) -> Test:
    definition = _property(table, rule.get("propertyName"))
    named = str(rule.get("operator"))
    read = _reader(table, definition)
    if named in {"HAS_PROPERTY", "NOT_HAS_PROPERTY"}:
        wanted = named == "HAS_PROPERTY"
        return lambda record: (read(record) is not None) is wanted
    if named in {"CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN"}:
        return _token_test(
            _text_reader(table, definition.name),
            str(_given(rule, "value")),
            wanted=named == "CONTAINS_TOKEN",
        )
    if named in {"IN", "NOT_IN"}:
        values = _given(rule, "values")
        if not isinstance(values, list) or not values:
            raise invalid(f"Operator {named} needs a list of values")
        operands = [_operand(definition, value, listed=True) for value in values]
        return _membership_test(definition, read, operands, wanted=named == "IN")
    operand = _operand(definition, _given(rule, "value"))
    if named in {"EQ", "NEQ"}:
        return _membership_test(definition, read, [operand], wanted=named == "EQ")
    if named == "BETWEEN":
        high = _operand(definition, _given(rule, "highValue"))
        from_low, to_high = _ORDER["GTE"], _ORDER["LTE"]

        def between(record: Record) -> bool:
            value = read(record)
            return value is not None and from_low(value, operand) and to_high(value, high)

        return between
    compare = _ORDER.get(named)
    if compare is None:
        raise invalid(f"Operator {named} is not known")

    def compares(record: Record) -> bool:
        value = read(record)
        return value is not None and compare(value, operand)

    return compares


def _association_test(store: HubSpotStore, table: Table, other: str, rule: Mapping[str, object]) -> Test:
    """Test whether a record is associated with one of some others; not for the account's own types."""
    there = store.table(other).kind
    named = str(rule.get("operator"))
    if named not in {"EQ", "IN"} or there.is_custom or table.kind.is_custom:
        raise invalid(f"Operator {named} is not possible for associations.{other}")
    given = [_given(rule, "value")] if named == "EQ" else _given(rule, "values")
    wanted = {whole(str(one)) for one in given} if isinstance(given, list) else set()
    return lambda record: any(to in wanted for to, _ in store.links.of(table.kind.name, record.number, there.name))


def _membership_test(definition: Property, read: Read, operands: Sequence[Comparable], *, wanted: bool) -> Test:
    """Test whether a value is among the operands; a record without a value never passes."""
    among = frozenset(operands)

    def test(record: Record) -> bool:
        value = read(record)
        if value is None:
            return False
        if definition.is_multiple:
            return among.isdisjoint(str(value).split(";")) is not wanted
        return (value in among) is wanted

    return test


def _token_test(read: Read, pattern: str, *, wanted: bool) -> Test:
    pattern = pattern.lower()
    words = _tokens(pattern)

    def test(record: Record) -> bool:
        value = read(record)
        if value is None:
            return False
        text = str(value)
        if "*" in pattern:
            found = any(fnmatchcase(part, pattern) for part in (text, *_tokens(text)))
        else:
            found = words <= _tokens(text)
        return found is wanted

    return test


def _has_words(words: frozenset[str], read: Sequence[Read], record: Record) -> bool:
    text = " ".join(str(value) for one in read if (value := one(record)) is not None)
    tokens = _tokens(text)
    return all(any(token.startswith(word) for token in tokens) for word in words)


def _reader(table: Table, definition: Property) -> Read:
    """Make a function that reads a property for comparing; an empty value counts as none."""
    name = definition.name
    own = {"hs_object_id": "number", table.kind.created: "created", table.kind.modified: "updated"}
    if name in own:
        return operator.attrgetter(own[name])
    if definition.type in {"date", "datetime"}:
        return lambda record: epoch(record.values.get(name, ""))
    if definition.type == "number":
        return lambda record: _number(record.values.get(name, ""))
    if definition.type in {"enumeration", "bool"}:
        return lambda record: record.values.get(name) or None
    return _text_reader(table, name)


def _text_reader(table: Table, name: str) -> Read:
    if name not in table.properties:
        return lambda _: None
    return lambda record: record.values.get(name, "").lower() or None


def _operand(definition: Property, raw: object, *, listed: bool = False) -> Comparable:
    text = str(raw)
    if definition.type in {"date", "datetime"}:
        ms = epoch(text)
        if ms is None:
            raise invalid(f"{text} is not a date or time, in a filter on {definition.name}")
        return ms
    if definition.type == "number":
        number = _number(text)
        if number is None:
            raise invalid(f"{text} is not a number, in a filter on {definition.name}")
        return number
    if definition.type in {"enumeration", "bool"}:
        return text.lower() if isinstance(raw, bool) else text
    # Text in a list is compared as it is given, so it has to be in lower case.
    return text if listed else text.lower()


def _given(rule: Mapping[str, object], name: str) -> object:
    value = rule.get(name)
    if value is None:
        raise invalid(f"A filter with operator {rule.get('operator')} needs {name}")
    return value


def _number(text: str) -> float | int | None:
    try:
        return float(text) if (number := whole(text)) is None else number
    except ValueError:
        return None


def _tokens(text: str) -> frozenset[str]:
    return frozenset(_TOKEN.findall(text.lower()))


def _property(table: Table, name: object) -> Property:
    definition = table.defined(str(name))
    if definition is None:
        raise HubSpotError(400, f"Property {name} does not exist on {table.kind.name}", "VALIDATION_ERROR")
    return definition


def _order(table: Table, body: Mapping[str, object]) -> Callable[[Iterable[Record]], Iterable[Record]]:
    """Make a function that sorts: oldest first unless asked; records with no value come last."""
    sorts = body.get("sorts") or []
    if not isinstance(sorts, list) or len(sorts) > 1:
        raise invalid("A search can have one sort")
    if not sorts:
        return lambda records: sorted(records, key=lambda record: (record.created, record.number))
    sort = sorts[0]
    if isinstance(sort, str):
        sort = {
            "propertyName": sort.removeprefix("-"),
            "direction": "DESCENDING" if sort.startswith("-") else "ASCENDING",
        }
    direction = str(sort.get("direction", "ASCENDING")) if isinstance(sort, dict) else ""
    if direction not in {"ASCENDING", "DESCENDING"}:
        raise invalid("A sort has a propertyName and a direction, ASCENDING or DESCENDING")
    read = _reader(table, _property(table, sort.get("propertyName")))
    reverse = direction == "DESCENDING"

    def ordered(records: Iterable[Record]) -> Iterable[Record]:
        keyed = [(read(record), record) for record in records]
        valued = [(value, record.number, record) for value, record in keyed if value is not None]
        valued.sort(key=lambda item: item[:2], reverse=reverse)
        return [
            *(record for _, _, record in valued),
            *(record for value, record in keyed if value is None),
        ]

    return ordered


def _whole(raw: object, name: str) -> int:
    """Read a whole number, also one in a string, as HubSpot does."""
    number = None if isinstance(raw, bool) else whole(str(raw))
    if number is None:
        raise invalid(f"{name} must be a whole number, was {raw}")
    return number
