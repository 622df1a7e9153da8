"""What the subscription's people tagged and made: pages, features, track types and guides, in Pendo's shape."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

from sandbox.pendo.expressions import Row
from sandbox.product import APPS, FEATURES, GUIDES, PAGES, TRACK_TYPES, Guide, tag_id

AUTHOR = {"id": "5000000000000001", "username": "admin@product.example", "first": "Ada", "last": "Min", "role": 8}


def pages(made: int) -> list[Row]:
    """Give every page of every app; `made` is when they were tagged, in ms."""
    return [
        {
            **_tag("Page", page.id, page.name, page.app, page.group, made),
            "rules": [{"rule": f"//*{page.path}", "designerHint": ""}],
        }
        for page in PAGES
    ]


def features(made: int) -> list[Row]:
    """Give every feature of every app; a feature's group is its page's."""
    return [
        {
            **_tag("Feature", feature.id, feature.name, feature.app, PAGES[feature.page].group, made),
            "appWide": False,
            "elementPathRules": [f'[data-track="{feature.name.lower().replace(" ", "-")}"]'],
            "pageId": PAGES[feature.page].id,
        }
        for feature in FEATURES
    ]


def track_types(made: int) -> list[Row]:
    """Give every track type of every app."""
    return [
        {
            **_tag("TrackType", track.id, track.name, track.app, "Track events", made),
            "trackTypeName": track.name,
            "trackTypeRules": None,
            "eventPropertyNameList": [track.detail],
        }
        for track in TRACK_TYPES
    ]


def guides(made: int) -> list[Row]:
    """Give every guide of every app."""
    return [
        {
            "appId": APPS[guide.app],
            "createdAt": made,
            "id": guide.id,
            "isMultiStep": len(guide.polls) > 1,
            "kind": "Guide",
            "lastUpdatedAt": made,
            "launchMethod": "auto",
            "name": guide.name,
            "polls": _polls(guide),
            "resetAt": 0,
            "state": "disabled" if "closed" in guide.name else "public",
        }
        for guide in GUIDES
    ]


def _polls(guide: Guide) -> list[Row]:
    return [
        {
            "attributes": {"type": poll.kind, "display": "numbers"},
            "guideId": guide.id,
            "id": poll.id,
            "question": poll.question,
        }
        for poll in guide.polls
    ]


def _tag(kind: str, tag: str, name: str, app: int, group: str, made: int) -> Row:  # noqa: PLR0913, PLR0917
    # A version is named after its content, as everything else is that nobody else names.
    version = hashlib.sha256(f"{kind} {name}".encode()).hexdigest()[:10]
    return {
        "appId": APPS[app],
        "color": "gray",
        "createdAt": made,
        "createdByUser": AUTHOR,
        "dailyMergeFirst": made,
        "dailyRollupFirst": made,
        "dirty": False,
        "group": {"id": tag_id(f"group {group}"), "name": group, "description": "", "color": "blue"},
        "id": tag,
        "kind": kind,
        "lastUpdatedAt": made,
        "lastUpdatedByUser": AUTHOR,
        "name": name,
        "rootVersionId": f"{tag[:6]}{version}",
        "stableVersionId": f"{tag[:6]}{version}-1",
        "validThrough": made,
    }


# By the source's name and by the path's.
LISTS: Mapping[str, Callable[[int], list[Row]]] = {
    "guides": guides,
    "pages": pages,
    "features": features,
    "trackTypes": track_types,
}
PATHS: Mapping[str, str] = {"guide": "guides", "page": "pages", "feature": "features", "tracktype": "trackTypes"}
