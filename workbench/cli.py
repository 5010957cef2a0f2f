"""The `workbench` command."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from workbench.errors import WorkbenchError

app = typer.Typer(
    help="One service, three deployments, four measurements.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

runs = typer.Typer(help="Look at runs, compare and export them.", no_args_is_help=True)
app.add_typer(runs, name="runs")

# Heavy modules are imported inside the command that needs them, so that `serve` stays small and `--help` quick.


@app.command()
def doctor(as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False) -> None:
    """Show what this machine can do, and how to get the rest."""
    from workbench import capabilities

    found = capabilities.find()
    typer.echo(json.dumps(found.to_json(), indent=1) if as_json else str(found))


@app.command()
def compare(
    service: Annotated[str, typer.Argument(help="A directory with a handler, or the name of a sample.")] = "pricing",
    handler: Annotated[str, typer.Option(help="module.function in that directory.")] = "app.handler",
    memory_mb: Annotated[int, typer.Option(help="Memory of one instance; 1,769 MB is one vCPU.")] = 1769,
    timeout_s: Annotated[int, typer.Option(help="Seconds one invocation may take.")] = 30,
    health_path: Annotated[
        str, typer.Option(help="What a container or VM must answer, such as /health, before it gets requests.")
    ] = "",
    payload: Annotated[str, typer.Option(help="JSON to invoke with; @FILE reads it from a file.")] = "",
    deployments: Annotated[
        str, typer.Option(help="Which to compare, with commas between.")
    ] = "serverless,container,vm",
    out: Annotated[Path, typer.Option(help="Where run.json, report.ipynb and report.html go.")] = Path("out"),
    quick: Annotated[bool, typer.Option("--quick", help="Fewer samples: a look, not a basis for a decision.")] = False,
) -> None:
    """Deploy a service three ways, measure, print the nine forces and write the report."""
    from workbench import main_job

    main_job.run(
        main_job.find_service(service, handler, memory_mb, timeout_s, health_path),
        deployments=deployments,
        payload=main_job.read_payload(payload),
        out=out,
        quick=quick,
    )


@app.command()
def matrix(
    service: Annotated[str, typer.Argument(help="A directory with a handler, or the name of a sample.")] = "pricing",
    handler: Annotated[str, typer.Option(help="module.function in that directory.")] = "app.handler",
    sandboxes: Annotated[str, typer.Option(help="Which to compare, with commas between; default: all.")] = "",
    out: Annotated[Path, typer.Option(help="Where matrix.json and matrix.html go.")] = Path("out"),
    quick: Annotated[bool, typer.Option("--quick", help="Fewer samples: a look, not a basis for a decision.")] = False,
) -> None:
    """Try every sandbox of this machine: what an instance sees, and what a neighbour's pressure does to it."""
    from workbench import main_job, matrix_job

    found = main_job.find_service(service, handler, memory_mb=1769, timeout_s=30)
    matrix_job.run(found, sandboxes=sandboxes, out=out, quick=quick)


@app.command()
def serve(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes a free one.")] = 0,
    isolation: Annotated[str, typer.Option(help="auto, namespaces, process or docker.")] = "auto",
    access_key: Annotated[str, typer.Option(help="Access key id to accept; default: a new one.")] = "",
    secret_key: Annotated[str, typer.Option(help="Its secret; default: a new one.")] = "",
    state: Annotated[Path | None, typer.Option(help="Keep functions and accepted events here across restarts.")] = None,
    cold_start: Annotated[str, typer.Option(help="How instances are started: auto, spawn or zygote.")] = "auto",
    idle_expiry_s: Annotated[float, typer.Option(min=0.01, help="Seconds that an idle instance is kept.")] = 600.0,
    aws_endpoint: Annotated[
        str, typer.Option(help="URL where S3, SQS, SNS and EventBridge answer, such as that of a moto server.")
    ] = "",
    aws: Annotated[bool, typer.Option("--aws", help="Run S3, DynamoDB, Kinesis, SQS, SNS, ... beside it.")] = False,
    retry_scale: Annotated[
        float, typer.Option(min=0, help="Times AWS's pauses between tries of an event: 0.01 makes a minute 0.6 s.")
    ] = 1.0,
) -> None:
    """Run the local Lambda-compatible platform until it is interrupted."""
    from workbench.faas import serve as platform

    more: dict[str, Any] = {}
    if aws or aws_endpoint:
        from workbench.events.beside import beside

        more["beside"] = beside
    platform.run(
        port=port,
        isolation=isolation,
        access_key=access_key,
        secret_key=secret_key,
        state=state,
        cold_start=cold_start,
        idle_expiry_s=idle_expiry_s,
        aws_endpoint=aws_endpoint,
        aws=aws,
        retry_scale=retry_scale,
        **more,
    )


@app.command()
def invoke(
    function: Annotated[str, typer.Argument(help="A function's name or ARN.")],
    payload: Annotated[str, typer.Argument(help="JSON; @FILE reads it from a file, - from stdin.")] = "",
    asynchronous: Annotated[
        bool, typer.Option("--async", help="Do not wait: print the accepted event's request id.")
    ] = False,
    qualifier: Annotated[str, typer.Option(help="A version or an alias.")] = "",
    log: Annotated[bool, typer.Option("--log", help="Print the end of the invocation's log to stderr.")] = False,
    endpoint: Annotated[
        str,
        typer.Option(
            help="The platform's URL; default: AWS_ENDPOINT_URL_LAMBDA, AWS_ENDPOINT_URL, or the one you run."
        ),
    ] = "",
    access_key: Annotated[str, typer.Option(help="Default: that platform's, or AWS_ACCESS_KEY_ID.")] = "",
    secret_key: Annotated[str, typer.Option(help="Default: that platform's, or AWS_SECRET_ACCESS_KEY.")] = "",
    region: Annotated[str, typer.Option(help="Default: that platform's, or AWS_REGION.")] = "",
) -> None:
    """Invoke a function of a running platform and print its answer."""
    from workbench import invoke_job

    content = invoke_job.read_payload(payload)
    access = invoke_job.find(endpoint, access_key, secret_key, region)
    invoke_job.run(access, function, content, qualifier=qualifier, event=asynchronous, log=log)


@app.command()
def load(
    url: Annotated[str, typer.Argument(help="What to request; this machine only, unless --allow-remote.")],
    rate: Annotated[float | None, typer.Option(help="Requests a second; default: 50, or as recorded.")] = None,
    duration: Annotated[float | None, typer.Option(help="Seconds; default: 10, or as long as recorded.")] = None,
    arrivals: Annotated[
        str, typer.Option(help="constant, poisson, ramp, step, burst, azure, or FILE.csv: a column of times.")
    ] = "poisson",
    speed: Annotated[float, typer.Option(help="How many times as fast a FILE.csv is played.")] = 1.0,
    warmup: Annotated[float, typer.Option(help="Seconds at the start that are sent, and reported apart.")] = 0.0,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for an answer.")] = 30.0,
    method: Annotated[str, typer.Option(help="GET, POST, ...; default: GET, and POST with --data.")] = "",
    data: Annotated[str, typer.Option(help="What each request brings; @FILE reads it from a file.")] = "",
    header: Annotated[list[str] | None, typer.Option(help="'Name: value', as often as needed.")] = None,
    closed: Annotated[
        int, typer.Option(help="So many clients that wait for each answer instead: shows what such a loop hides.")
    ] = 0,
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="The target is yours and may be loaded.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
) -> None:
    """Send an open-loop load and print what came back; latency counts from the planned send time."""
    from workbench.load import load_url, load_url_closed
    from workbench.load.request import request
    from workbench.load.shown import LiveLine, result_text
    from workbench.load.targets import host_of, is_loopback

    if closed and (rate is not None or (arrivals, speed, warmup) != ("poisson", 1.0, 0.0)):
        raise WorkbenchError("A closed loop plans nothing: leave out --rate, --arrivals, --speed and --warmup.")

    host = host_of(url)
    if not allow_remote and not is_loopback(host) and sys.stdin.isatty():
        allow_remote = typer.confirm(f"{host} is not this machine. Is it yours, and may it be loaded?", err=True)
    asked = request(method, data, header or [])
    with LiveLine() as live:
        common: dict[str, Any] = {**asked, "timeout_s": timeout, "allow_remote": allow_remote, "progress": live}
        if closed:
            result = load_url_closed(url, closed, duration, **common)
        else:
            result = load_url(url, rate, duration, arrivals, speed=speed, warmup_s=warmup, **common)
    typer.echo(json.dumps(result) if as_json else result_text(result))
    if result["interrupted"]:
        raise KeyboardInterrupt  # told above; here it becomes the exit status


@app.command()
def image(
    service: Annotated[str, typer.Argument(help="A directory with a handler, or the name of a sample.")] = "pricing",
    handler: Annotated[str, typer.Option(help="module.function in that directory.")] = "app.handler",
    memory_mb: Annotated[int, typer.Option(help="Memory of one instance; 1,769 MB is one vCPU.")] = 1769,
    timeout_s: Annotated[int, typer.Option(help="Seconds one invocation may take.")] = 30,
    base: Annotated[str, typer.Option(help="Image to build on; default: this machine's Python.")] = "",
    out: Annotated[Path | None, typer.Option(help="A new directory; default: image-NAME.")] = None,
) -> None:
    """Write out the Dockerfile that the container deployment builds, with the folders that it copies."""
    from workbench import main_job

    typer.echo(main_job.write_image(main_job.find_service(service, handler, memory_mb, timeout_s), base, out))


@runs.command("list")
def runs_list(
    places: Annotated[
        list[Path] | None, typer.Argument(help="Where to look; default: out/ and its neighbours.")
    ] = None,
) -> None:
    """List the runs below some directories, the newest first."""
    from workbench.runs import job

    job.list_runs(places or [])


@runs.command("show")
def runs_show(
    run: Annotated[str, typer.Argument(help="A run's file, its directory, or the name of a recorded run.")],
) -> None:
    """Show a run: percentiles with intervals, drift, and how many samples would tell more."""
    from workbench.runs import job

    job.show(run)


@runs.command("compare")
def runs_compare(
    first: Annotated[str, typer.Argument(help="The run that the other is set in relation to.")],
    second: Annotated[str, typer.Argument(help="The run that may be faster or slower.")],
    across_machines: Annotated[bool, typer.Option("--across-machines", help="Though the machines differ.")] = False,
    across_services: Annotated[bool, typer.Option("--across-services", help="Though the services differ.")] = False,
) -> None:
    """Compare two runs: how many times longer the second took, and whether that is more than noise."""
    from workbench.runs import job

    job.compare(first, second, across_machines=across_machines, across_services=across_services)


@runs.command("export")
def runs_export(
    files: Annotated[list[str], typer.Argument(help="Runs, as for show; all go into one table.")],
    to: Annotated[Path, typer.Option(help="A .csv or .parquet file; an earlier export there is replaced.")],
) -> None:
    """Write every sample of some runs to a table, a row each."""
    from workbench.runs import job

    job.export(files, to)


@app.command()
def clean(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what would be removed.")] = False,
) -> None:
    """Remove every process, container, cgroup and file that a dead session left behind."""
    from workbench import cleaning

    typer.echo(str(cleaning.clean(dry_run=dry_run)))


def main() -> None:
    """Run the command; a WorkbenchError becomes one clear message and exit status 1, Ctrl-C status 130."""
    # A closed terminal or a polite kill ends the work as Ctrl-C does: through every `finally`.
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.default_int_handler)
    try:
        app()
    except WorkbenchError as error:
        typer.echo(f"workbench: {error}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
