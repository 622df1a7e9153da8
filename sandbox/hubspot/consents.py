"""Who agreed to which kind of email: kept by address, whether or not a contact has it."""

from __future__ import annotations

from dataclasses import dataclass, field

SUBSCRIBED, UNSUBSCRIBED, NOT_SPECIFIED = "SUBSCRIBED", "UNSUBSCRIBED", "NOT_SPECIFIED"
STATES = (SUBSCRIBED, UNSUBSCRIBED, NOT_SPECIFIED)
LEGAL_BASES = (
    "CONSENT_WITH_NOTICE",
    "LEGITIMATE_INTEREST_CLIENT",
    "LEGITIMATE_INTEREST_OTHER",
    "LEGITIMATE_INTEREST_PQL",
    "NON_GDPR",
    "PERFORMANCE_OF_CONTRACT",
    "PROCESS_AND_STORE",
)


@dataclass(frozen=True, slots=True)
class Subscription:
    """One kind of email that people can subscribe to."""

    number: int
    name: str
    description: str
    purpose: str
    method: str = "Email"
    is_default: bool = False
    is_internal: bool = False


@dataclass(frozen=True, slots=True)
class Consent:
    """What one address said to one subscription, when (epoch ms), and on which legal basis."""

    state: str
    at: int
    source: str
    basis: str | None = None
    explanation: str | None = None


SUBSCRIPTIONS = (
    Subscription(310001, "Marketing Information", "Offers and news.", "Marketing", is_default=True),
    Subscription(310002, "Product Updates", "What is new in the product.", "Marketing"),
    Subscription(310003, "Customer Service Communication", "Answers and surveys.", "Service"),
    Subscription(310004, "One to One", "Emails from a salesperson.", "Sales", is_internal=True),
)


@dataclass(slots=True)
class Consents:
    """Every address's consents. With `data_privacy` a change needs a legal basis and its explanation."""

    data_privacy: bool = False
    subscriptions: dict[int, Subscription] = field(default_factory=lambda: {one.number: one for one in SUBSCRIPTIONS})
    _said: dict[tuple[str, int], Consent] = field(default_factory=dict)
    opted_out: dict[str, int] = field(default_factory=dict)

    def of(self, address: str, subscription: int) -> Consent:
        """Give what an address said to a subscription."""
        return self._said.get((address, subscription), Consent(NOT_SPECIFIED, 0, "Not specified"))

    def say(self, address: str, subscription: int, consent: Consent) -> str:
        """Keep what an address says, and tell what that did, in HubSpot's words."""
        before = self.of(address, subscription).state
        if consent.state == SUBSCRIBED:
            self.opted_out.pop(address, None)
        if consent.state == before:
            return "NO_STATUS_CHANGE"
        self._said[address, subscription] = consent
        if (before, consent.state) == (UNSUBSCRIBED, SUBSCRIBED):
            return "RESUBSCRIBE_OCCURRED"
        return "REQUESTED_CHANGE_OCCURRED"

    def opt_out(self, address: str, at: int, source: str) -> None:
        """Unsubscribe an address from everything."""
        self.opted_out.setdefault(address, at)
        for number in self.subscriptions:
            if self.of(address, number).state != UNSUBSCRIBED:
                self._said[address, number] = Consent(UNSUBSCRIBED, at, source)
