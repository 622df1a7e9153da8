"""What is written about visitors and accounts: the fields that there are, and values that override the world's."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

Values = dict[str, object]
KINDS = ("visitor", "account")
WRITABLE = ("agent", "custom")
TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float),
    "time": (int, str),
    "boolean": (bool,),
}
# Group → field → type, as the schema endpoint lists them.
SCHEMA: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    "visitor": {
        "agent": {"email": "string", "full_name": "string", "role": "string"},
        "auto": {
            "accountid": "string",
            "accountids": "list",
            "firstvisit": "time",
            "id": "string",
            "idhash": "integer",
            "lastbrowsername": "string",
            "lastoperatingsystem": "string",
            "lastupdated": "time",
            "lastuseragent": "string",
            "lastvisit": "time",
        },
        "custom": {},
        "pendo": {"blacklistguides": "boolean", "donotprocess": "boolean"},
    },
    "account": {
        "agent": {"domain": "string", "name": "string", "plan": "string"},
        "auto": {
            "firstvisit": "time",
            "id": "string",
            "idhash": "integer",
            "lastupdated": "time",
            "lastvisit": "time",
        },
        "custom": {},
        "pendo": {"blacklistguides": "boolean"},
    },
}


class MetadataError(Exception):
    """A call that Pendo refuses as a whole, with its status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(slots=True)
class Written:
    """What was written about one visitor or account: values by group, and when the last of them was (ms)."""

    groups: dict[str, Values] = field(default_factory=dict)
    at: int = 0


class Metadata:
    """The schema and the written values of one subscription."""

    def __init__(self, exists: Callable[[str, str], bool], now_ms: Callable[[], int]) -> None:
        self._exists = exists
        self._now_ms = now_ms
        self._schema = {
            kind: {group: dict(fields) for group, fields in groups.items()} for kind, groups in SCHEMA.items()
        }
        self._names: dict[tuple[str, str, str], str] = {}
        self._written: dict[str, dict[str, Written]] = {kind: {} for kind in KINDS}
        self._lock = threading.RLock()

    def schema(self, kind: str) -> object:
        """List a kind's fields by group."""
        return {
            group: {name: self._described(kind, group, name) for name in list(fields)}
            for group, fields in self._groups(kind).items()
        }

    def _described(self, kind: str, group: str, name: str) -> Mapping[str, object]:
        return {
            "Type": self._schema[kind][group][name],
            "DisplayName": self._names.get((kind, group, name), name),
            "ElementType": "",
            "ElementFormat": "",
            "isHidden": False,
            "isDeleted": False,
            "isCalculated": False,
            "isPerApp": False,
        }

    def add_fields(self, kind: str, group: str, fields: object) -> object:
        """Create fields, all of them or none; one that is there with the same type stays as it is."""
        there = self._writable(kind, group)
        if not isinstance(fields, list) or not fields:
            raise MetadataError(400, "the body is a list of fields")
        wanted: dict[str, tuple[str, str]] = {}
        for one in fields:
            name = one.get("name") if isinstance(one, Mapping) else None
            type_ = one.get("type") if isinstance(one, Mapping) else None
            if not isinstance(name, str) or not name or "." in name:
                raise MetadataError(400, f"a field needs a name without dots, got {name!r}")
            if type_ not in TYPES:
                raise MetadataError(400, f"the type of {name} is one of {', '.join(TYPES)}, got {type_!r}")
            if there.get(name, type_) != type_:
                raise MetadataError(400, f"{name} is there already, as a {there[name]}")
            wanted[name] = (str(type_), str(one.get("displayname") or name))
        with self._lock:
            for name, (type_, shown) in wanted.items():
                there[name] = type_
                self._names[kind, group, name] = shown
            return {name: self._described(kind, group, name) for name in wanted}

    def remove_field(self, kind: str, group: str, name: str) -> None:
        """Delete a field of the account's own, and its values."""
        if group != "custom" or name not in self._writable(kind, group):
            raise MetadataError(404, f"no field {name} in {kind}'s {group}")
        with self._lock:
            self._schema[kind][group].pop(name, None)
            for written in self._written[kind].values():
                written.groups.get(group, {}).pop(name, None)

    def write(self, kind: str, group: str, rows: object) -> Mapping[str, object]:
        """Write values of many; what is not known is counted, and never made."""
        fields = self._writable(kind, group)
        key = f"{kind}Id"
        if not isinstance(rows, list):
            raise MetadataError(400, "the body is a list")
        updates: list[tuple[str, Mapping[str, object]]] = []
        for row in rows:
            one = row.get(key) if isinstance(row, Mapping) else None
            values = row.get("values") if isinstance(row, Mapping) else None
            if not isinstance(one, str) or not isinstance(values, Mapping):
                raise MetadataError(400, f'an entry is {{"{key}": …, "values": {{…}}}}, got {row!r}')
            if unknown := [name for name in values if name not in fields]:
                raise MetadataError(400, f"no mapping for field {unknown[0]} of {kind}'s {group}")
            updates.append((one, values))
        missing: list[str] = []
        errors: list[str] = []
        with self._lock:  # batches come one after the other
            for one, values in updates:
                wrong = [name for name, value in values.items() if not _fits(value, fields[name])]
                if not self._exists(kind, one):
                    missing.append(one)
                elif wrong:
                    errors.append(f"{one}: {wrong[0]} is a {fields[wrong[0]]}")
                else:
                    self.set(kind, one, group, values)
        failed = len(missing) + len(errors)
        counts: dict[str, object] = {"total": len(updates), "updated": len(updates) - failed, "failed": failed}
        # Without entries these are left out, so that a client learns to do without them.
        return counts | ({"missing": missing} if missing else {}) | ({"errors": errors} if errors else {})

    def put(self, kind: str, group: str, one: str, name: str, value: object) -> None:
        """Write one value; Pendo's own marks are among those that can be written so."""
        fields = self._groups(kind).get(group, {})
        if group not in (*WRITABLE, "pendo") or name not in fields:
            raise MetadataError(400, f"{name} of {kind}'s {group} cannot be written")
        if not self._exists(kind, one):
            raise MetadataError(404, f"no {kind} {one}")
        if not _fits(value, fields[name]):
            raise MetadataError(400, f"{name} is a {fields[name]}, got {value!r}")
        self.set(kind, one, group, {name: value})

    def set(self, kind: str, one: str, group: str, values: Mapping[str, object]) -> None:
        """Override values of one visitor or account; None takes a value away."""
        with self._lock:
            written = self._written[kind].setdefault(one, Written())
            written.groups.setdefault(group, {}).update(values)
            written.at = self._now_ms()

    def overlaid(self, kind: str, one: str, metadata: dict[str, Values]) -> dict[str, Values]:
        """Lay what was written over what the world says."""
        if one not in self._written[kind]:
            return metadata
        with self._lock:
            written = self._written[kind][one]
            for group, values in written.groups.items():
                both = {**metadata.get(group, {}), **values}
                metadata[group] = {name: value for name, value in both.items() if value is not None}
            before = metadata["auto"].get("lastupdated")
            metadata["auto"]["lastupdated"] = max(before, written.at) if isinstance(before, int) else written.at
        return metadata

    def check_kind(self, kind: str) -> None:
        """Refuse what is neither visitor nor account."""
        self._groups(kind)

    def known_field(self, kind: str, group: str, name: str) -> bool:
        """Tell whether the schema has a field."""
        return name in self._groups(kind).get(group, {})

    def _groups(self, kind: str) -> dict[str, dict[str, str]]:
        if kind not in self._schema:
            raise MetadataError(404, f"no metadata of kind {kind}")
        return self._schema[kind]

    def _writable(self, kind: str, group: str) -> dict[str, str]:
        groups = self._groups(kind)
        if group not in WRITABLE:
            raise MetadataError(400, f"only {' and '.join(WRITABLE)} can be written, not {group}")
        return groups[group]


def _fits(value: object, type_: str) -> bool:
    if value is None:
        return True
    if isinstance(value, bool):
        return type_ == "boolean"
    return isinstance(value, TYPES.get(type_, ()))


def without(values: Iterable[tuple[str, object]]) -> Values:
    """Leave out what is None."""
    return {name: value for name, value in values if value is not None}
