"""Webhooks: what an app has subscribed to, and its delivery to the app's own server.

Deliveries leave in the background, signed, and are tried again until they are answered with a 2xx.
The signature's time is the machine's own, because a receiver compares it with its own clock; the
events' times are the sandbox's.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx
import orjson

MOST_SUBSCRIPTIONS = 1000
MOST_EVENTS = 100
MOST_WAITING = 10_000
MOST_ATTEMPTS = 11
AT_ONCE = 10
MOST_AT_ONCE = 100
TIMEOUT_SECONDS = 5.0
EVENT_TYPES = ("creation", "deletion", "privacyDeletion", "merge", "propertyChange", "associationChange")
Event = dict[str, object]


@dataclass(frozen=True, slots=True)
class Subscription:
    """What an app wants to hear: `contact.propertyChange` of one property, or `contact.creation`.

    `object.creation` and the like need the object's type id, and hear of that type in generic form.
    """

    number: int
    event_type: str
    property: str | None = None
    object_type_id: str | None = None
    active: bool = True


@dataclass(slots=True)
class Webhooks:
    """One app's subscriptions and the deliveries that wait.

    `client_secret` signs the deliveries. `retry_seconds` is the wait before the second attempt; it
    doubles from one to the next, up to a minute. With more than MOST_WAITING events waiting the
    oldest are lost, and counted in `lost`.
    """

    portal_id: int
    app_id: int
    client_secret: str
    target_url: str | None = None
    at_once: int = AT_ONCE
    retry_seconds: float = 1.0
    subscriptions: dict[int, Subscription] = field(default_factory=dict)
    lost: int = 0
    _made: int = 0
    _events: int = 0
    _waiting: deque[Event] = field(default_factory=deque)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _idle: threading.Event = field(default_factory=threading.Event)
    _sender: threading.Thread | None = None

    def __post_init__(self) -> None:
        self._idle.set()

    def send_to(self, target_url: str, *, at_once: int = AT_ONCE) -> None:
        """Say where deliveries go, and how many may be under way."""
        self.target_url, self.at_once = target_url, at_once

    def subscribe(
        self, event_type: str, *, name: str | None = None, object_type_id: str | None = None, active: bool = True
    ) -> Subscription:
        """Add a subscription. Raises ValueError for one that HubSpot does not have."""
        subject, _, what = event_type.partition(".")
        if what not in EVENT_TYPES:
            raise ValueError(f"HubSpot has no webhooks for {event_type}")
        if (what == "propertyChange") is not (name is not None):
            raise ValueError("a propertyChange, and only that, names a property")
        if (subject == "object") is not (object_type_id is not None):
            raise ValueError("an object type id goes with the event types that begin with object")
        if len(self.subscriptions) >= MOST_SUBSCRIPTIONS:
            raise ValueError(f"an app cannot have more than {MOST_SUBSCRIPTIONS} subscriptions")
        self._made += 1
        made = Subscription(self._made, event_type, name, object_type_id, active)
        self.subscriptions[made.number] = made
        return made

    def tell(self, subject: tuple[str, str], what: str, event: Mapping[str, object]) -> None:
        """Queue an event about a type, by singular and id, for every subscription that it fits."""
        if self.target_url is None:
            return
        singular, type_id = subject
        for one in self.subscriptions.values():
            if not one.active or one.event_type not in {f"{singular}.{what}", f"object.{what}"}:
                continue
            if one.object_type_id not in {None, type_id} or one.property not in {None, event.get("propertyName")}:
                continue
            self._events += 1
            generic = {} if one.object_type_id is None else {"objectTypeId": type_id}
            self._queue(
                {
                    "eventId": self._events,
                    "subscriptionId": one.number,
                    "portalId": self.portal_id,
                    "appId": self.app_id,
                    "subscriptionType": one.event_type,
                    "attemptNumber": 0,
                    **event,
                    **generic,
                }
            )

    def wait(self, seconds: float) -> bool:
        """Wait until everything was delivered or given up; False if that takes longer."""
        return self._idle.wait(seconds)

    def _queue(self, event: Event) -> None:
        with self._lock:
            if len(self._waiting) >= MOST_WAITING:
                self._waiting.popleft()
                self.lost += 1
            self._waiting.append(event)
            self._idle.clear()
            if self._sender is None:
                self._sender = threading.Thread(target=lambda: asyncio.run(self._deliver()), daemon=True)
                self._sender.start()

    async def _deliver(self) -> None:
        """Send what waits, several deliveries at once, until nothing does."""
        async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as client:
            running: set[asyncio.Task[None]] = set()
            while True:
                while len(running) < self.at_once and (events := self._taken()):
                    running.add(asyncio.create_task(self._send(client, events)))
                if running:
                    _, running = await asyncio.wait(running, timeout=0.05, return_when=asyncio.FIRST_COMPLETED)
                elif self._ended():
                    return

    def _taken(self) -> list[Event]:
        with self._lock:
            return [self._waiting.popleft() for _ in range(min(MOST_EVENTS, len(self._waiting)))]

    def _ended(self) -> bool:
        with self._lock:
            if self._waiting:
                return False
            self._sender = None
            self._idle.set()
            return True

    async def _send(self, client: httpx.AsyncClient, events: list[Event]) -> None:
        """Deliver one batch; HubSpot tries it ten times more over a day, here the waits are shorter."""
        for attempt in range(MOST_ATTEMPTS):
            body = orjson.dumps([{**event, "attemptNumber": attempt} for event in events])
            url = str(self.target_url)
            try:
                answer = await client.post(url, content=body, headers=self._headers(url, body))
            except httpx.TransportError:
                pass
            else:
                if answer.is_success:
                    return
            await asyncio.sleep(min(self.retry_seconds * 2**attempt, 60.0))
        self.lost += len(events)

    def _headers(self, url: str, body: bytes) -> dict[str, str]:
        moment = str(int(time.time() * 1000))
        return {
            "Content-Type": "application/json",
            "X-HubSpot-Request-Timestamp": moment,
            "X-HubSpot-Signature-v3": signature(self.client_secret, "POST", url, body, moment),
        }


def signature(client_secret: str, method: str, url: str, body: bytes, moment: str) -> str:
    """Sign a delivery as version 3 does, some characters of the URL unescaped; `moment` is in epoch ms."""
    for escaped in ("3A", "2F", "3F", "40", "21", "24", "27", "28", "29", "2A", "2C", "3B"):
        url = url.replace(f"%{escaped}", chr(int(escaped, 16)))
    source = f"{method}{url}".encode() + body + moment.encode()
    return base64.b64encode(hmac.new(client_secret.encode(), source, hashlib.sha256).digest()).decode()
