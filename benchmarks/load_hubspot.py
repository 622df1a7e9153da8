"""Landing HubSpot's contacts: how many a second, against the API's own ceiling and against bare parsing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time

import orjson
import pyarrow as pa

from benchmarks.canned import Replies, canned_vendor
from benchmarks.figures import Figure, seconds
from loaders import LoadSettings, Wanted
from loaders.pipeline import load

CONTACTS = 400_000
PAGE = 100
# 190 calls in ten seconds, a hundred contacts each.
CEILING = 190 / 10 * PAGE
PLACEHOLDER = b"7777777"
NAMES = ("email", "firstname", "lastname", "hs_additional_emails", *(f"usage_property_{n:02d}" for n in range(26)))
AFTER = re.compile(r"after=(\d+)")


def contacts_per_second() -> list[Figure]:
    """Land contacts with thirty properties into an empty warehouse, and parse the same bytes into Arrow."""
    with canned_vendor(partial(canned_hubspot, CONTACTS)) as url, TemporaryDirectory() as folder:
        began = process_time()
        ours = seconds(lambda: _land(url, Path(folder)))
        busy = process_time() - began
    pages = [_page(number) for number in range(CONTACTS // PAGE)]
    bare = seconds(lambda: [pa.Table.from_pylist(orjson.loads(page)["results"]) for page in pages])
    rate = CONTACTS / ours
    detail = {"contacts": CONTACTS, "properties": len(NAMES), "seconds": ours, "contacts_per_second": rate}
    # The processor's own seconds tell what one core can do, also while others use it.
    detail["processor_seconds"], detail["contacts_per_processor_second"] = busy, CONTACTS / busy
    return [
        Figure("load.hubspot_contacts_vs_api_ceiling", rate / CEILING, "times", {**detail, "at_least": 10}),
        Figure("load.hubspot_contacts_vs_parse", ours / bare, "times", {**detail, "parse_seconds": bare}),
    ]


def canned_hubspot(contacts: int) -> Replies:
    """Prepare an account with so many contacts, none of them archived, and no companies."""
    template, last = _template(), contacts // PAGE - 1
    answers = {
        "/account-info/2026-09/details": {"portalId": 1},
        "/crm/properties/2026-09/contacts": {"results": [{"name": name, "type": "string"} for name in NAMES]},
    }

    def replies(_method: str, path: str, _body: bytes) -> Iterator[bytes]:
        bare = path.partition("?")[0]
        if bare == "/crm/objects/2026-09/contacts" and "archived=false" in path:
            after = AFTER.search(path)
            number = int(after[1]) if after else 0
            following = b"" if number == last else b',"paging":{"next":{"after":"%d"}}' % (number + 1)
            yield b'{"results":[%s]%s}' % (template.replace(PLACEHOLDER, b"%07d" % (number + 1_000_000)), following)
        else:
            yield orjson.dumps(answers.get(bare, {"results": []}))

    return replies


def _page(number: int) -> bytes:
    return b'{"results":[%s]}' % _template().replace(PLACEHOLDER, b"%07d" % (number + 1_000_000))


def _template() -> bytes:
    """Make a page of contacts whose ids and addresses hold the page's number."""
    page = PLACEHOLDER.decode()
    records = [
        {
            "id": f"{page}{n:02d}",
            "properties": {
                "email": f"contact.{page}{n:02d}@customer.example",
                "firstname": f"Given{n}",
                "lastname": f"Family{n * 7}",
                "hs_additional_emails": None,
                **{name: None if (n + at) % 4 == 0 else f"value {n * at}" for at, name in enumerate(NAMES[4:])},
                "hs_object_id": f"{page}{n:02d}",
                "createdate": "2025-02-03T04:05:06.789Z",
                "lastmodifieddate": "2026-02-03T04:05:06.789Z",
            },
            "createdAt": "2025-02-03T04:05:06.789Z",
            "updatedAt": "2026-02-03T04:05:06.789Z",
            "archived": False,
            "url": f"https://app.hubspot.com/contacts/1/record/0-1/{page}{n:02d}",
        }
        for n in range(PAGE)
    ]
    return orjson.dumps(records)[1:-1]


def _land(url: str, folder: Path) -> None:
    settings = LoadSettings(
        warehouse=folder / "warehouse.duckdb",
        pipelines_dir=folder / "pipelines",
        journal_dir=folder / "journal",
        hubspot_base_url=url,
        hubspot_access_token="canned",  # noqa: S106 of a server that asks for none
        unpaced=True,
    )
    load(["hubspot"], settings, Wanted(hubspot={"contacts": NAMES}), lambda *_: None)
