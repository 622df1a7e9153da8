"""The product that people in the world use, as its makers tagged it: apps, pages, features, track events, surveys."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass

APPS = (-323232, 5_629_499_534_213_120)
SERVERS = ("app.product.example", "eu.app.product.example", "reports.product.example")
AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/142.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Safari/605.1",
    "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/142.0 Edg/142.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148",
    "Mozilla/5.0 (Linux; Android 16) AppleWebKit/537.36 Chrome/142.0 Mobile Safari/537.36",
)
# Name and system of each of the agents.
BROWSERS = (
    ("Chrome", "Windows"),
    ("Safari", "Mac OS X"),
    ("Firefox", "Linux"),
    ("Edge", "Windows"),
    ("Mobile Safari", "iOS"),
    ("Chrome Mobile", "Android"),
)
PHONES = 4  # the first agent that is one


def tag_id(name: str) -> str:
    """Make an id in the shape of Pendo's: 27 letters, digits, - and _."""
    return base64.urlsafe_b64encode(hashlib.sha1(name.encode(), usedforsecurity=False).digest()).decode().rstrip("=")


@dataclass(frozen=True, slots=True)
class Page:
    """A tagged page; `weight` is how much it is visited, `parameters` what may stand in its address."""

    name: str
    app: int
    group: str
    path: str
    weight: int
    parameters: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """The page's id."""
        return tag_id(f"page {self.name}")


@dataclass(frozen=True, slots=True)
class Feature:
    """A tagged element; `page` is the index of the page that it is on."""

    name: str
    page: int

    @property
    def id(self) -> str:
        """The feature's id."""
        return tag_id(f"feature {self.name}")

    @property
    def app(self) -> int:
        """The app of its page."""
        return PAGES[self.page].app


@dataclass(frozen=True, slots=True)
class TrackType:
    """An event that the product's own code sends, with one property: its name, and what it may say."""

    name: str
    app: int
    detail: str
    values: tuple[str, ...]

    @property
    def id(self) -> str:
        """The track type's id."""
        return tag_id(f"track {self.name}")


@dataclass(frozen=True, slots=True)
class Poll:
    """One question of a guide; `kind` is Pendo's poll type."""

    id: str
    kind: str
    question: str


@dataclass(frozen=True, slots=True)
class Guide:
    """A survey: a Pendo guide that belongs to one app and asks one or two polls."""

    id: str
    name: str
    app: int
    polls: tuple[Poll, ...]


# Pages of one app stand together.
PAGES = (
    Page("Home", 0, "Overview", "/home", 30),
    Page("Search", 0, "Overview", "/search", 9),
    Page("Projects", 0, "Projects", "/projects", 16),
    Page("Project", 0, "Projects", "/projects/*", 22, ("board", "list", "timeline")),
    Page("Task", 0, "Projects", "/tasks/*", 12),
    Page("Members", 0, "Administration", "/members", 3),
    Page("Billing", 0, "Administration", "/billing", 1),
    Page("Settings", 0, "Administration", "/settings/*", 3, ("profile", "security", "notifications", "api")),
    Page("Reports", 1, "Reports", "/reports", 10),
    Page("Report", 1, "Reports", "/reports/*", 18, ("weekly", "monthly", "yearly")),
    Page("Report editor", 1, "Reports", "/reports/*/edit", 5),
    Page("Exports", 1, "Exports", "/exports", 3),
)
FEATURES = (
    Feature("Open recent project", 0),
    Feature("Dismiss tip", 0),
    Feature("Quick add", 0),
    Feature("Run search", 1),
    Feature("Save search", 1),
    Feature("New project", 2),
    Feature("Archive project", 2),
    Feature("Star project", 2),
    Feature("Move card", 3),
    Feature("Filter board", 3),
    Feature("Share project", 3),
    Feature("Assign task", 4),
    Feature("Comment on task", 4),
    Feature("Complete task", 4),
    Feature("Invite member", 5),
    Feature("Change role", 5),
    Feature("Change plan", 6),
    Feature("Rotate API key", 7),
    Feature("Turn on two factors", 7),
    Feature("New report", 8),
    Feature("Schedule report", 9),
    Feature("Filter report", 9),
    Feature("Add chart", 10),
    Feature("Start export", 11),
    Feature("Download export", 11),
)
TRACK_TYPES = (
    TrackType("Project created", 0, "template", ("none", "kanban", "scrum")),
    TrackType("Task completed", 0, "priority", ("low", "normal", "high")),
    TrackType("Member invited", 0, "role", ("guest", "member", "admin")),
    TrackType("File uploaded", 0, "kind", ("image", "pdf", "sheet", "other")),
    TrackType("Report run", 1, "period", ("week", "month", "year")),
    TrackType("Export finished", 1, "format", ("csv", "xlsx", "pdf")),
)
# In the order of usage.NPS, NPS_OLD, CSAT.
GUIDES = (
    Guide(
        "guide-nps-2026",
        "NPS 2026",
        0,
        (
            Poll("poll-nps-rating", "NPSRating", "How likely are you to recommend us?"),
            Poll("poll-nps-comment", "NPSReason", "What is the main reason for your score?"),
        ),
    ),
    Guide(
        "guide-nps-2024",
        "NPS 2024 (closed)",
        0,
        (
            Poll("poll-nps-2024-rating", "NPSRating", "Would you recommend us?"),
            Poll("poll-nps-2024-comment", "NPSReason", "Why?"),
        ),
    ),
    Guide(
        "guide-csat-2026",
        "CSAT 2026",
        1,
        (Poll("poll-csat", "NumberScale", "How satisfied are you with the reports, from 1 to 5?"),),
    ),
)
