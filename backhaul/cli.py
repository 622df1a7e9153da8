"""The command line. Results go to standard output, progress and errors to standard error.

Exit codes: 0 done, or nothing to do · 1 failed, and the message says what to do · 2 (`plan`, `undo`) there are changes
· 3 (`apply`, `sync`) finished, but some records were rejected or are unknown · 75 (`sync`) another sync is running ·
130 stopped by Ctrl-C, 143 by SIGTERM.
"""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, cast

import orjson
import typer
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.prompt import Confirm

from activators.declarations import read_manifest
from activators.errors import ActivationError, PlanError, Stopped
from activators.plan import Plan, read_kept_back
from activators.written import read_run, read_runs, record_history
from backhaul import report, steps
from backhaul.logbook import SyncHeld, read_syncs
from backhaul.markdown import markdown as plan_markdown
from backhaul.progress import Live, Quiet, sending
from backhaul.settings import Settings
from backhaul.transform import Transform
from loaders import LoadError

app = typer.Typer(
    help="Push what dbt computes into CRM properties: a plan that people review, then only what differs.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
sandbox = typer.Typer(help="HubSpot, Salesforce and Pendo as local servers.", no_args_is_help=True)
app.add_typer(sandbox, name="sandbox")

# Into a file or a pipe, lines are as wide as the widest table needs.
_WIDTH = None if sys.stdout.isatty() else 120
# What is shown comes from vendors: no bracket of it is markup, and no colon an emoji.
out = Console(width=_WIDTH, highlight=False, markup=False, emoji=False)
# Ids and answers are for copying: nothing of them is cut.
whole = out if sys.stdout.isatty() else Console(width=1_000, highlight=False, markup=False, emoji=False)
err = Console(stderr=True, highlight=False, markup=False, emoji=False)

# Typer shows its base class of usage errors through this one only.
_UsageError = cast("type[typer.BadParameter]", typer.BadParameter.__bases__[0])

EXIT_CHANGES = 2
EXIT_PARTIAL = 3
# "Try again later", as mail programs have always said it (sysexits.h).
EXIT_HELD = 75
# As a shell says it of a program that a signal has ended; Ctrl-C is number 2.
_SIGNALLED = 128
_INTERRUPTED = 130


class Vendor(StrEnum):
    """What `load` can land."""

    HUBSPOT = "hubspot"
    SALESFORCE = "salesforce"
    PENDO = "pendo"
    FILES = "files"
    LEDGER = "ledger"


Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Markdown = Annotated[bool, typer.Option("--markdown", help="Print Markdown, for a comment on a pull request.")]
Html = Annotated[Path | None, typer.Option("--html", help="Write one self-contained page to this file, too.")]
PlanName = Annotated[str | None, typer.Argument(metavar="[PLAN]", help="A plan's id or folder; the newest by default.")]


@app.command()
def load(
    vendors: Annotated[list[Vendor] | None, typer.Argument(help="Which to load; all by default.")] = None,
    *,
    same_subscription: Annotated[
        bool,
        typer.Option("--same-subscription", help="The Pendo key is a new one of the subscription that is landed."),
    ] = False,
) -> None:
    """Land every vendor's new data, and the journal, in the warehouse."""
    settings = Settings()
    with _bar() as bar:
        tasks: dict[str, TaskID] = {}

        def progress(vendor: str, table: str, rows: int) -> None:
            name = f"{vendor}.{table}"
            if name not in tasks:
                tasks[name] = bar.add_task(name, total=None)
            bar.update(tasks[name], completed=rows)

        Transform(settings, Path.cwd()).parse()
        which = vendors or steps.vendors(settings)
        landed = steps.load(settings, which, progress, same_subscription=same_subscription)
    out.print(report.landings(landed))


@app.command()
def provision(
    select: Annotated[
        list[str] | None, typer.Option("-s", "--select", help="An activation to provision; all by default.")
    ] = None,
) -> None:
    """Create the property groups, properties and fields that the activations need and the CRMs lack."""
    settings = Settings()
    Transform(settings, Path.cwd()).parse()
    out.print(report.provisioned(steps.provision(settings, steps.activations(settings, select or ()))))


@app.command()
def check(
    online: Annotated[
        bool, typer.Option("--online", help="Ask the CRMs too: credentials, permissions, calls left. Reads only.")
    ] = False,
    json: Json = False,
) -> None:
    """List every mistake in the declarations: from the project and the last load, so without a token."""
    settings = Settings()
    Transform(settings, Path.cwd()).parse()
    checked = steps.check(settings)
    asked = steps.ask(settings, checked.activations) if online else []
    if json:
        _print_json(report.checked_json(checked, asked))
    else:
        out.print(report.checked(checked, asked), soft_wrap=True)
    wrong = checked.mistakes or [item for item in asked if item.probe.mend]
    raise typer.Exit(1 if wrong else 0)


@app.command()
def plan(  # noqa: PLR0913, PLR0917 - options of a command line
    select: Annotated[
        list[str] | None, typer.Option("-s", "--select", help="An activation to plan; all by default.")
    ] = None,
    retry_rejected: Annotated[
        bool, typer.Option("--retry-rejected", help="Send values that the CRM refused before again, as they are.")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read each record that would change from the CRM; hold what was edited.")
    ] = False,
    json: Json = False,
    markdown: Markdown = False,
    html: Html = None,
) -> None:
    """Seal what differs into a plan, and show it. Exit code 2 when there are changes."""
    settings = Settings()
    Transform(settings, Path.cwd()).parse()
    declared = steps.activations(settings, select or ())
    sealed = steps.plan(settings, declared, retry_rejected=retry_rejected, verify=verify)
    _show_plan(settings, sealed, json=json, markdown=markdown, html=html)
    raise typer.Exit(EXIT_CHANGES if sealed.changes else 0)


@app.command()
def show(
    name: PlanName = None,
    json: Json = False,
    markdown: Markdown = False,
    html: Html = None,
) -> None:
    """Show a sealed plan again. Asks neither the warehouse nor a CRM."""
    settings = Settings()
    _show_plan(settings, steps.open_plan(settings, name), json=json, markdown=markdown, html=html)


@app.command()
def compare(
    base: Annotated[str, typer.Option(metavar="REF", help="The version to compare with, as git knows it: main.")],
    keep: Annotated[
        bool,
        typer.Option("--keep", help="Leave the tables of both versions in the warehouse; the next compare drops them."),
    ] = False,
    json: Json = False,
    markdown: Markdown = False,
) -> None:
    """Show what the working tree changes in the metrics, matches and plans, against another version of the project."""
    # git and both builds are this command's alone.
    from backhaul.compare import compare as compare_versions  # noqa: PLC0415
    from backhaul.compare.markdown import markdown as as_markdown  # noqa: PLC0415
    from backhaul.compare.report import comparison, comparison_json  # noqa: PLC0415

    with _bar() as bar:

        def progress(name: str) -> Callable[[int, int], None]:
            task = bar.add_task(f"dbt build, {name}", total=None)
            return lambda done, total: bar.update(task, completed=done, total=total)

        found = compare_versions(Settings(), Path.cwd(), base, progress, _warn, keep=keep)
    if json:
        _print_json(comparison_json(found))
    elif markdown:
        sys.stdout.write(as_markdown(found))
    else:
        whole.print(comparison(found))


@app.command()
def apply(  # noqa: PLR0913, PLR0917 - options of a command line
    name: Annotated[
        str | None, typer.Argument(metavar="[PLAN]", help="A plan's id or folder; the newest by default.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    confirm_guards: Annotated[
        bool, typer.Option("--confirm-guards", help="Apply although a guard is tripped; `plan` shows which.")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read each record right before writing it; skip what was edited since.")
    ] = False,
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="Go on although record after record is refused alike.")
    ] = False,
    json: Json = False,
) -> None:
    """Send a sealed plan, or go on where an interrupted run stopped."""
    settings = Settings()
    sealed = steps.open_plan(settings, name)
    if sealed.warnings and not confirm_guards:
        raise PlanError(f"{'; '.join(sealed.warnings)}: look at the plan, then add --confirm-guards")
    if not yes and sealed.changes:
        if not sys.stdin.isatty():
            raise PlanError(f"plan {sealed.plan_id} is not confirmed; add --yes")
        err.print(report.plan(sealed))
        if not Confirm.ask(f"Send {sealed.changes:,} changes?", default=False, console=err):
            raise typer.Exit(0)
    with sending(err, sealed.activations) as progress:
        done = steps.apply(settings, sealed, progress, verify=verify, keep_going=keep_going)
    if json:
        _print_json(report.run_json(done))
    elif sealed.changes:
        out.print(report.run(done))
    else:
        # The run is in the journal all the same: that nothing was to be sent is a success, too.
        out.print("Nothing to send.")
    raise typer.Exit(0 if done.complete else EXIT_PARTIAL)


@app.command()
def undo(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="The run to take back; `runs` lists them.")],
    select: Annotated[
        list[str] | None, typer.Option("-s", "--select", help="An activation to take back; all of the run by default.")
    ] = None,
    json: Json = False,
) -> None:
    """Seal a plan that restores what a run replaced, where nobody has edited it since. `apply` then sends it.

    Every value that stays is named: with --json all of them, else the first hundred.
    """
    settings = Settings()
    named = steps.activations(settings, select or ())
    only = [item.name for item in named] if select else ()
    sealed = steps.undo(settings, run_id, steps.activations(settings), only)
    sent = read_run(settings.journal, run_id).activations
    staying = ", ".join(item.name for item in named if item.kind == "events" and item.name in sent)
    if staying:
        err.print(f"The events of {staying} stay: an event cannot be taken back.")
    err.print("The next plan sends these values again, unless the models or the declarations change first.")
    stays = (
        (item.name, reason, sample)
        for item in sealed.activations
        for reason, sample in read_kept_back(sealed.folder / item.file)
    )
    if json:
        _print_json(report.plan_json(sealed) | {"stays": report.stays_json(stays)})
    else:
        _show_plan(settings, sealed, json=False)
        whole.print(report.stays(stays))
    raise typer.Exit(EXIT_CHANGES if sealed.changes else 0)


@app.command()
def sync(
    select: Annotated[
        list[str] | None, typer.Option("-s", "--select", help="An activation to plan and apply; all by default.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    keep_going: Annotated[
        bool,
        typer.Option(
            "--keep-going",
            help="Go on with the activations that a failed build left sound, and although records are refused alike.",
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Load, dbt build, plan and apply, for a night when nobody watches. One sync runs at a time."""
    from backhaul.sync import run_sync  # noqa: PLC0415  its parts are heavy, and other commands do without them

    settings = Settings()
    if not yes and not sys.stdin.isatty():
        raise PlanError("nobody is there to confirm the plan; add --yes")
    watch = Live(err) if err.is_terminal else Quiet(err)

    def confirm(sealed: Plan) -> bool:
        return yes or Confirm.ask(f"Send {sealed.changes:,} changes?", default=False, console=err)

    done = run_sync(settings, Path.cwd(), watch, select=select or (), keep_going=keep_going, confirm=confirm)
    if json:
        _print_json(report.syncs_json([done])[0])
    else:
        out.print(report.sync(done))
    if done.outcome == "failed":
        raise typer.Exit(_refuse(f"sync: {done.stopped_by}"))
    raise typer.Exit(EXIT_PARTIAL if done.outcome == "partial" else 0)


@app.command()
def runs(
    *,
    syncs: Annotated[bool, typer.Option("--syncs", help="List the runs of `sync` instead.")] = False,
    json: Json = False,
) -> None:
    """List the runs of `apply`, the newest first."""
    if syncs:
        nights = read_syncs(Settings().syncs)
        _print_json(report.syncs_json(nights)) if json else whole.print(report.syncs(nights))
        return
    found = read_runs(Settings().journal)
    if json:
        _print_json(report.runs_json(found))
    else:
        whole.print(report.runs(found))


@app.command()
def history(activation: str, record: str, json: Json = False) -> None:
    """Show everything that was written to one record, and the values that it replaced."""
    settings = Settings()
    steps.activations(settings, [activation])
    writes = list(record_history(settings.journal, activation, record))
    if json:
        _print_json(report.history_json(writes))
    else:
        whole.print(report.history(writes))


@app.command()
def suggest(
    at_least: Annotated[float, typer.Option(min=0, max=1, help="Show those of this probability and more.")] = 0.05,
    limit: Annotated[int, typer.Option(min=1, help="Show so many; all are in the warehouse.")] = 30,
    csv: Annotated[
        Path | None, typer.Option("--csv", help="Write them as rows for seeds/match_overrides.csv, too.")
    ] = None,
    json: Json = False,
) -> None:
    """Suggest which records may be one identity though no rule says so. Matches nothing; needs the extra `suggest`."""
    from backhaul.suggest import output  # noqa: PLC0415  an extra, which other commands do without
    from backhaul.suggest import suggest as compare  # noqa: PLC0415

    settings = Settings()
    Transform(settings, Path.cwd()).parse()
    made = compare(settings, read_manifest(settings.manifest))
    output.write(settings.warehouse, made)
    found = [one for one in made.found if one.probability >= at_least]
    if csv is not None:
        output.write_rows(csv, found)
    if json:
        _print_json(output.as_json(made, found))
    elif found:
        whole.print(output.shown(found, limit))
    elif made.open_records:
        out.print(f"None of {made.open_records:,} records without a partner resembles another enough.")
    else:
        out.print("Nothing to compare: no two systems have records without a partner.")


@app.command()
def demo() -> None:
    """Run the whole loop against the sandbox: load, build, plan, apply, and again a day later."""
    from backhaul.demo import run_demo  # noqa: PLC0415  the demo's parts are heavy, and other commands do without them

    run_demo(Settings(), out)


@sandbox.command()
def serve(  # noqa: PLR0913, PLR0917 - options of a command line
    seed: Annotated[int, typer.Option(help="The world's seed; the same seed is the same world.")] = 1,
    visitors: Annotated[int, typer.Option(min=1, help="Product users in the world.")] = 1500,
    as_of: Annotated[
        dt.datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The world's day; today by default.")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65532, help="The first of four ports; 0 takes free ones.")] = 8700,
    env_file: Annotated[Path | None, typer.Option(help="Where to write the settings that reach the servers.")] = None,
    accounts: Annotated[
        int | None, typer.Option(min=1, help="Accounts in the world; one for 25 users by default.")
    ] = None,
    origin: Annotated[
        dt.datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="The day that the world is laid out for; as-of by default."),
    ] = None,
    time_zone: Annotated[
        str, typer.Option(help="Of the Pendo subscription and the HubSpot account.")
    ] = "America/New_York",
    index_lag: Annotated[float, typer.Option(min=0, help="Seconds that HubSpot's search is behind.")] = 1.5,
    hubspot_limit: Annotated[int, typer.Option(min=1, help="HubSpot calls in ten seconds.")] = 190,
    salesforce_limit: Annotated[int, typer.Option(min=1, help="Salesforce calls in 24 hours.")] = 100_000,
    product_leads: Annotated[
        int, typer.Option(min=0, help="Salesforce leads who use the product; there may be fewer.")
    ] = 0,
    tls: Annotated[
        bool, typer.Option("--tls", help="Serve the vendors over HTTPS, with a certificate of their own.")
    ] = False,
    webhook_target: Annotated[str | None, typer.Option(help="Where HubSpot's webhooks go, on this machine.")] = None,
    webhook: Annotated[
        list[str] | None,
        typer.Option(help="An event to tell of: contact.creation, or contact.propertyChange:email. May be repeated."),
    ] = None,
) -> None:
    """Serve local HubSpot, Salesforce, Pendo and control APIs until stopped."""
    from sandbox.hubspot.limits import Limits  # noqa: PLC0415  only this command needs the servers
    from sandbox.server import SandboxError  # noqa: PLC0415
    from sandbox.server import serve as serve_all  # noqa: PLC0415

    day = as_of.date() if as_of else dt.datetime.now(dt.UTC).date()
    try:
        serve_all(
            env_file,
            seed=seed,
            visitors=visitors,
            as_of=day,
            port=port,
            accounts=accounts,
            origin=origin.date() if origin else None,
            time_zone=time_zone,
            index_lag=index_lag,
            hubspot_limits=Limits(burst=hubspot_limit),
            salesforce_daily_requests=salesforce_limit,
            product_leads=product_leads,
            tls=tls,
            webhook_target=webhook_target,
            webhooks=webhook or (),
        )
    except SandboxError as error:
        raise typer.Exit(_refuse(str(error))) from None


def run() -> None:
    """Run the command line: every expected failure is one line on standard error and exit code 1."""
    try:
        code = app(standalone_mode=False)
        if code == _INTERRUPTED:
            _refuse("stopped; the same command goes on where it stopped")
    except _UsageError as error:
        # Code 2 is taken: it says that a plan has changes.
        error.show()
        code = 1
    except Stopped as stopped:
        code = _refuse(str(stopped), _SIGNALLED + stopped.signal)
    except (typer.Abort, KeyboardInterrupt):
        code = _refuse("stopped; the same command goes on where it stopped", _INTERRUPTED)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        said = first["msg"].removeprefix("Value error, ")
        code = _refuse(f"{name}: {said}; correct it in the environment or in .env")
    except UnicodeDecodeError:
        code = _refuse(".env: not UTF-8 text; save it as such")
    except OSError as error:
        code = _refuse(report.unwritable(error))
    except SyncHeld as held:
        code = _refuse(str(held), EXIT_HELD)
    except (ActivationError, LoadError) as error:
        code = _refuse(str(error))
    raise SystemExit(code)


def _warn(message: str) -> None:
    err.print(f"backhaul: {message}", style="yellow", markup=False, soft_wrap=True)


def _refuse(message: str, code: int = 1) -> int:
    err.print(report.text(f"backhaul: {message}", "red"), soft_wrap=True)
    return code


def _show_plan(
    settings: Settings, sealed: Plan, *, json: bool, markdown: bool = False, html: Path | None = None
) -> None:
    if html is not None:
        from backhaul.page import page  # noqa: PLC0415  jinja takes a while to import, and most commands do without it

        html.write_text(page(sealed), encoding="utf-8")
    if json:
        _print_json(report.plan_json(sealed))
    elif markdown:
        sys.stdout.write(plan_markdown(sealed))
    else:
        out.print(report.plan(sealed))
        out.print(f"Files: {settings.plans / sealed.plan_id}", soft_wrap=True)


def _bar() -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=err,
        transient=True,
    )


def _print_json(value: object) -> None:
    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z).decode() + "\n")
