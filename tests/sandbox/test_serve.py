"""Starting and stopping the servers: the command line, its settings, TLS and webhooks."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
from requests.adapters import HTTPAdapter
from simple_salesforce.api import Salesforce

from sandbox.hubspot.webhooks import signature
from sandbox.server import Options, SandboxError, serve, serving

AS_OF = date(2026, 11, 21)
MY_DOMAIN = "https://sandbox.my.salesforce.com"
SMALL = Options(seed=1, visitors=20, as_of=AS_OF)
COMMAND = [sys.executable, "-m", "backhaul", "sandbox", "serve", "--port", "0", "--visitors", "20"]
KEYS = [
    "HUBSPOT_BASE_URL",
    "HUBSPOT_ACCESS_TOKEN",
    "SALESFORCE_BASE_URL",
    "SALESFORCE_CLIENT_ID",
    "SALESFORCE_CLIENT_SECRET",
    "PENDO_BASE_URL",
    "PENDO_INTEGRATION_KEY",
    "HUBSPOT_CLIENT_SECRET",
]


@dataclass(frozen=True, slots=True)
class Running:
    """A `sandbox serve` of its own process: its one line, its settings and its log."""

    process: subprocess.Popen[str]
    line: Mapping[str, str]
    settings: Mapping[str, str]


@contextmanager
def command(folder: Path, *options: str) -> Iterator[Running]:
    env_file, log = folder / "sandbox.env", folder / "stderr"
    with log.open("w") as errors:
        whole = [*COMMAND, "--as-of", AS_OF.isoformat(), "--env-file", str(env_file), *options]
        process = subprocess.Popen(whole, stdout=subprocess.PIPE, stderr=errors, text=True)
    with process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, log.read_text()
            settings = dict(one.split("=", 1) for one in env_file.read_text().splitlines())
            yield Running(process, json.loads(line), settings)
        finally:
            process.terminate()
            process.wait(timeout=20)


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_it_says_when_it_is_ready_and_stops_when_told(tmp_path: Path, stop: signal.Signals) -> None:
    env_file = tmp_path / "sandbox.env"
    env_file.write_text("old")
    env_file.chmod(0o644)
    with command(tmp_path) as running:
        assert list(running.line) == ["hubspot", "salesforce", "pendo", "control"]
        assert stat.S_IMODE(env_file.stat().st_mode) == 0o600
        assert list(running.settings) == KEYS
        assert [one.name for one in tmp_path.iterdir() if one.name not in {"sandbox.env", "stderr"}] == []
        with httpx.Client() as client:  # an open connection must not hold it back
            assert client.get(running.line["control"] + "/clock").status_code == 200
            os.kill(running.process.pid, stop)
            assert running.process.wait(timeout=20) == 0
        assert running.process.stdout is not None
        assert running.process.stdout.read() == ""
        assert (tmp_path / "stderr").read_text().strip() in {"", "Making a world of 20 visitors"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"time_zone": "Mars/Base"}, "no time zone Mars/Base"),
        ({"webhooks": ["contact.creation"]}, "add --webhook-target"),
        ({"webhook_target": "https://example.com/x"}, "is no server of this machine"),
        ({"webhook_target": "http://127.0.0.1:9/", "webhooks": ["contact.sneeze"]}, "webhook contact.sneeze"),
        ({"port": 70_000}, "port 70000 cannot be used"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(SandboxError, match=said), serving(**SMALL, **options):
        pass


def test_a_refusal_is_one_line_on_the_command_line(tmp_path: Path) -> None:
    whole = [*COMMAND, "--env-file", str(tmp_path / "gone" / "env")]
    done = subprocess.run(whole, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    assert "no folder" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_settings_that_cannot_be_written_stop_it_at_once(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="no folder"):
        serve(tmp_path / "gone" / "env", **SMALL)


def _two_free_ports() -> int:
    """Find a port that is free as the next one is."""
    while True:
        with socket.socket() as one, socket.socket() as other:
            one.bind(("127.0.0.1", 0))
            port = int(one.getsockname()[1])
            with suppress(OSError, OverflowError):
                other.bind(("127.0.0.1", port + 1))
                return port


@pytest.mark.parametrize("tls", [False, True])
def test_a_port_in_use_is_named_and_no_other_stays_open(*, tls: bool) -> None:
    port = _two_free_ports()
    with socket.socket() as taken, socket.socket() as free:
        taken.bind(("127.0.0.1", port + 1))
        taken.listen()
        with (
            pytest.raises(SandboxError, match=f"port {port + 1} cannot be used"),
            serving(seed=1, visitors=20, as_of=AS_OF, port=port, tls=tls),
        ):
            pass
        free.bind(("127.0.0.1", port))


def test_the_world_is_made_as_it_was_asked_for() -> None:
    with (
        serving(seed=1, visitors=40, as_of=AS_OF, accounts=3, time_zone="Asia/Kolkata", index_lag=0) as sandbox,
        httpx.Client(base_url=sandbox.urls["hubspot"]) as hubspot,
    ):
        hubspot.headers["Authorization"] = f"Bearer {sandbox.settings['HUBSPOT_ACCESS_TOKEN']}"
        assert hubspot.get("/account-info/v3/details").json()["timeZone"] == "Asia/Kolkata"
        made = hubspot.post("/crm/v3/objects/contacts", json={"properties": {"email": "new@serve.example"}}).json()
        search = {
            "filterGroups": [{"filters": [{"propertyName": "email", "operator": "EQ", "value": "new@serve.example"}]}]
        }
        found = hubspot.post("/crm/v3/objects/contacts/search", json=search).json()["results"]
        assert [one["id"] for one in found] == [made["id"]]


# TLS and webhooks, of one server.


@dataclass(frozen=True, slots=True)
class Receiver:
    """A server that takes webhooks: its address, and the headers and bodies that it got."""

    url: str
    got: list[tuple[Mapping[str, str], bytes]]


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    got: list[tuple[Mapping[str, str], bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append((dict(self.headers), self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield Receiver(f"http://127.0.0.1:{server.server_address[1]}/webhooks", got)
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def secure(receiver: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    webhooks = ("--webhook-target", receiver.url, "--webhook", "contact.propertyChange:jobtitle")
    with command(tmp_path_factory.mktemp("secure"), "--tls", *webhooks) as running:
        yield running
        os.kill(running.process.pid, signal.SIGTERM)
        assert running.process.wait(timeout=20) == 0
        assert not Path(running.line["authority"]).parent.exists()


@pytest.fixture
def control(secure: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=secure.line["control"]) as client:
        yield client


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="the system does not list its sockets there")
def test_it_listens_on_loopback_alone(secure: Running) -> None:
    folder = Path(f"/proc/{secure.process.pid}")
    held = {str(one.readlink()) for one in (folder / "fd").iterdir()}
    listening = []
    for table in ("tcp", "tcp6"):
        for row in (folder / "net" / table).read_text().splitlines()[1:]:
            _, local, _, state, *_, inode = row.split()[:10]
            if state == "0A" and f"socket:[{inode}]" in held:
                listening.append(local.partition(":")[0])
    assert len(listening) == 7  # three that speak TLS, three behind them, and the control API
    assert set(listening) == {"0100007F"}


def test_with_tls_the_settings_lead_any_client_to_every_vendor(secure: Running) -> None:
    authority = secure.line["authority"]
    assert secure.settings["SSL_CERT_FILE"] == authority
    schemes = [secure.line[name].partition(":")[0] for name in ("hubspot", "salesforce", "pendo", "control")]
    assert schemes == ["https", "https", "https", "http"]
    urls = [
        secure.settings["HUBSPOT_BASE_URL"] + "/crm/v3/owners",
        secure.settings["SALESFORCE_BASE_URL"] + "/services/data",
        secure.settings["PENDO_BASE_URL"] + "/api/v1/token/verify",
    ]
    with httpx.Client(verify=ssl.create_default_context(cafile=authority)) as client:
        assert [client.get(url).status_code for url in urls] == [401, 200, 403]
    with httpx.Client() as stranger, pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        stranger.get(urls[0])


class _MyDomain(HTTPAdapter):
    """Stands in for the domain name service: what is asked of a My Domain goes to the sandbox."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url

    def send(self, request: requests.PreparedRequest, *rest: Any, **options: Any) -> requests.Response:
        request.url = (request.url or "").replace(MY_DOMAIN, self._url)
        return super().send(request, *rest, **options)


def test_simple_salesforce_logs_in_and_works_with_its_own_defaults(secure: Running, control: httpx.Client) -> None:
    """It is told no address: it finds the org by the login's answer and speaks HTTPS to it."""

    def logged_in() -> Any:
        return Salesforce(
            consumer_key=secure.settings["SALESFORCE_CLIENT_ID"],
            consumer_secret=secure.settings["SALESFORCE_CLIENT_SECRET"],
            domain="sandbox.my",
            session=session,
        )

    with requests.Session() as session:
        session.trust_env = False  # a certificate bundle of the environment would go first
        session.verify = secure.line["authority"]
        session.mount(MY_DOMAIN, _MyDomain(secure.line["salesforce"]))
        client = logged_in()
        assert client.sf_instance == secure.line["salesforce"].removeprefix("https://")
        assert client.query("SELECT Id FROM Contact")["totalSize"] > 0
        made = client.Contact.create({"LastName": "Over TLS"})
        assert client.Contact.get(made["id"])["LastName"] == "Over TLS"
        control.post("/do/salesforce/end_sessions").raise_for_status()
        control.delete("/requests")
        assert client.query("SELECT Id FROM Contact")["totalSize"] > 0
        log = [(one["path"].rpartition("/")[2] or "query", one["status"]) for one in control.get("/requests").json()]
        assert log == [("query", 401), ("token", 200), ("query", 200)]  # it logs in again by itself


def test_a_connection_is_dropped_through_tls_too(secure: Running, control: httpx.Client) -> None:
    url = secure.line["pendo"] + "/api/v1/token/verify"
    with httpx.Client(verify=ssl.create_default_context(cafile=secure.line["authority"])) as client:
        for kind in ("dropped", "truncated"):
            control.post("/faults", json={"vendor": "pendo", "kind": kind}).raise_for_status()
            with pytest.raises(httpx.TransportError):
                client.get(url)
        assert client.get(url).status_code == 403


def test_webhooks_go_where_the_command_line_says_signed_with_the_secret_in_the_settings(
    secure: Running, control: httpx.Client, receiver: Receiver
) -> None:
    contact = next(one["id"] for one in control.get("/records/hubspot/contacts").json() if not one["archived"])
    edit = {"vendor": "hubspot", "object": "contacts", "id": contact, "properties": {"jobtitle": "Heard"}}
    control.post("/edit", json=edit).raise_for_status()
    waited = control.post("/do/hubspot/wait_for_webhooks", json={"seconds": 10}).json()
    assert waited == {"delivered": True, "lost": 0}
    ((headers, body),) = receiver.got
    moment = headers["X-HubSpot-Request-Timestamp"]
    secret = secure.settings["HUBSPOT_CLIENT_SECRET"]
    assert headers["X-HubSpot-Signature-v3"] == signature(secret, "POST", receiver.url, body, moment)
    (event,) = json.loads(body)
    assert (event["propertyName"], event["propertyValue"], str(event["objectId"])) == ("jobtitle", "Heard", contact)
