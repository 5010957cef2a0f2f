"""Schedules on a real platform, read from a real moto server: simulated days at high speed, each tick counted."""

from __future__ import annotations

import json
import signal
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from aws_lambda_powertools.utilities.parser.models import EventBridgeModel

from tests.functional.faas.aws import Aws
from tests.functional.faas.platform import ROLE, Platform, eventually, zipped

KEEPER = zipped(
    app="""
import json, os

def handler(event, context):
    with open(os.environ["BOOK"], "a") as book:
        book.write(json.dumps([context.aws_request_id, event]) + "\\n")
"""
)
FAST = 3 * 86400  # three days in a second
FEW = ("--account-concurrency", "3")  # instances: a burst of ticks need not start one each


class Bench:
    """A platform beside a moto server, and a function that writes down what it is given."""

    def __init__(self, aws: Aws, platform: Platform, directory: Path) -> None:
        self.aws, self.platform, self.directory = aws, platform, directory
        self.events, self.scheduler = aws.client("events"), aws.client("scheduler")

    def keeper(self, name: str) -> tuple[str, Path]:
        """A new function, and its book."""
        book = self.directory / f"{name}.jsonl"
        made = self.platform.client.create_function(
            FunctionName=name,
            Runtime="python3.11",
            Handler="app.handler",
            Role=ROLE,
            Code={"ZipFile": KEEPER},
            Environment={"Variables": {"BOOK": str(book)}},
            Timeout=20,
        )
        return str(made["FunctionArn"]), book

    def rule(self, name: str, expression: str, *targets: dict[str, Any]) -> str:
        arn = self.events.put_rule(Name=name, ScheduleExpression=expression)["RuleArn"]
        self.events.put_targets(Rule=name, Targets=list(targets))
        return str(arn)

    def schedule(self, name: str, expression: str, target: str, **more: Any) -> str:
        wanted = {"Arn": target, "RoleArn": "arn:aws:iam::000000000000:role/s", **more.pop("Target", {})}
        settings = {"FlexibleTimeWindow": {"Mode": "OFF"}, **more}
        made = self.scheduler.create_schedule(Name=name, ScheduleExpression=expression, Target=wanted, **settings)
        return str(made["ScheduleArn"])

    def clock(self, method: str, path: str = "clock", **body: Any) -> dict[str, Any]:
        answer = self.platform.raw(method, f"/_workbench/{path}", json.dumps(body).encode() if body else b"")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = json.loads(answer.content)
        return found

    def run(self, at: str, until: str, speed: float = FAST) -> None:
        """Let time pass from one moment to another, and all that it brings."""
        self.clock("PUT", at=at, until=until, speed=speed)
        self.ran()

    def ran(self) -> None:
        """Everything up to where the clock stands was fired, and is done with."""
        eventually(lambda: (seen := self.clock("GET"))["paused"] and seen["fired_until"] == seen["at"], 40)
        eventually(lambda: self.platform.ask("GET", "health")["queued_events"] == 0, 60)

    def steps(self, source: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.platform.ask("GET", f"flow?source={quote(source, safe='')}")["steps"]
        return found

    def forget(self) -> None:
        """Delete all rules and schedules."""
        for rule in self.events.list_rules()["Rules"]:
            targets = self.events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
            self.events.remove_targets(Rule=rule["Name"], Ids=[target["Id"] for target in targets])
            self.events.delete_rule(Name=rule["Name"])
        for schedule in self.scheduler.list_schedules()["Schedules"]:
            self.scheduler.delete_schedule(Name=schedule["Name"], GroupName=schedule["GroupName"])


def read(book: Path) -> list[Any]:
    """What a function was given, in any order; an invocation that ran again counts once."""
    if not book.exists():
        return []
    return list({line[0]: line[1] for line in map(json.loads, book.read_text().splitlines())}.values())


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with Aws() as aws, Platform("--aws-endpoint", aws.endpoint, "--retry-scale", "0.002", *FEW) as platform:
        yield Bench(aws, platform, tmp_path_factory.mktemp("books"))


@pytest.fixture
def bench(shared: Bench) -> Iterator[Bench]:
    shared.clock("POST", "clock/pause")
    yield shared
    shared.forget()


def test_a_simulated_day_fires_each_rule_as_often_as_it_should(bench: Bench) -> None:
    function, book = bench.keeper("day")
    nine = bench.rule("nine", "cron(0 9 ? * MON-FRI *)", {"Id": "f", "Arn": function})
    hourly = bench.rule("hourly", "rate(1 hour)", {"Id": "f", "Arn": function})
    bench.run("2026-03-27T00:00:00Z", "2026-03-28T00:00:00Z")  # a Friday
    found = read(book)
    assert Counter(event["resources"][0] for event in found) == {nine: 1, hourly: 23}  # the 24th ends the day
    assert {event["time"] for event in found if event["resources"] == [nine]} == {"2026-03-27T09:00:00Z"}
    assert sorted(event["time"][11:13] for event in found if event["resources"] == [hourly])[:2] == ["01", "02"]
    for event in found:
        EventBridgeModel.model_validate(event)
        assert (event["detail-type"], event["source"], event["account"]) == (
            "Scheduled Event",
            "aws.events",
            "123456789012",
        )
        assert event["detail"] == {}
    bench.clock("PUT", until="2026-03-30T00:00:00Z")  # on through the weekend
    bench.ran()
    assert Counter(event["resources"][0] for event in read(book)) == {nine: 1, hourly: 71}
    told = bench.steps(nine)
    assert (told[0]["what"], told[-1]["what"]) == ("accepted", "answered")  # perhaps throttled between
    assert (
        told[0]["events"] == told[-1]["events"] == [event["id"] for event in read(book) if event["resources"] == [nine]]
    )


def test_where_the_clocks_change_a_schedule_skips_or_does_not_repeat(bench: Bench) -> None:
    function, book = bench.keeper("dst")
    bench.schedule(
        "dst",
        "cron(30 2 * * ? *)",
        function,
        ScheduleExpressionTimezone="Europe/Berlin",
        Target={"Input": '{"at": "<aws.scheduler.scheduled-time>", "of": "<aws.scheduler.schedule-arn>"}'},
    )
    bench.run("2026-03-28T00:00:00Z", "2026-03-31T00:00:00Z")
    bench.run("2026-10-24T00:00:00Z", "2026-10-26T23:00:00Z")
    assert sorted(event["at"] for event in read(book)) == [
        "2026-03-28T01:30:00Z",
        "2026-03-30T00:30:00Z",  # and none on the 29th, which has no 02:30
        "2026-10-24T00:30:00Z",
        "2026-10-25T00:30:00Z",  # and not again at 01:30
        "2026-10-26T01:30:00Z",
    ]
    assert {event["of"] for event in read(book)} == {"arn:aws:scheduler:us-east-1:123456789012:schedule/default/dst"}


def test_one_time_schedules_fire_once_and_may_delete_themselves(bench: Bench) -> None:
    function, book = bench.keeper("once")
    bench.schedule("stays", "at(2026-05-01T12:00:00)", function)
    bench.schedule("goes", "at(2026-05-01T13:00:00)", function, ActionAfterCompletion="DELETE")
    over = bench.schedule("over", "at(2026-04-01T13:00:00)", function, ActionAfterCompletion="DELETE")
    bench.run("2026-05-01T00:00:00Z", "2026-05-03T00:00:00Z")
    assert sorted(event["time"] for event in read(book)) == ["2026-05-01T12:00:00Z", "2026-05-01T13:00:00Z"]
    for event in read(book):
        EventBridgeModel.model_validate(event)
        assert event["source"] == "aws.scheduler"
    left = {schedule["Name"] for schedule in bench.scheduler.list_schedules()["Schedules"]}
    assert left == {"stays", "over"}
    assert "its time is over" in bench.steps(over)[-1]["detail"]


def test_start_end_state_and_window_of_a_schedule(bench: Bench) -> None:
    function, book = bench.keeper("bounds")
    start, end = datetime(2027, 1, 1, 6, tzinfo=UTC), datetime(2027, 1, 1, 12, tzinfo=UTC)
    given = {"Input": '"<aws.scheduler.scheduled-time> <aws.scheduler.attempt-number>"'}
    bench.schedule("bounds", "rate(2 hours)", function, StartDate=start, EndDate=end, Target=given)
    bench.schedule("off", "rate(1 minute)", function, State="DISABLED")
    window = {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 30}
    bench.schedule("flexible", "at(2027-01-01T20:00:00)", function, FlexibleTimeWindow=window, Target=given)
    bench.run("2027-01-01T00:00:00Z", "2027-01-02T00:00:00Z")
    assert sorted(read(book)) == [f"2027-01-01T{hour:02}:00:00Z 1" for hour in (6, 8, 10, 12, 20)]


def test_a_pause_of_a_rule_is_not_made_up_for(bench: Bench) -> None:
    function, book = bench.keeper("pause")
    bench.rule("pause", "cron(0 * * * ? *)", {"Id": "f", "Arn": function, "Input": '{"constant": 1}'})
    bench.run("2026-06-01T00:00:00Z", "2026-06-01T03:30:00Z")
    bench.events.disable_rule(Name="pause")
    bench.clock("PUT", until="2026-06-01T09:30:00Z")
    bench.ran()
    bench.events.enable_rule(Name="pause")
    bench.clock("PUT", until="2026-06-01T11:30:00Z")
    bench.ran()
    assert read(book) == [{"constant": 1}] * (4 + 2)


def test_queues_and_topics_are_targets_and_failures_go_to_the_dead_letter_queue(bench: Bench) -> None:
    queue, dead = bench.aws.queue("ticks"), bench.aws.queue("dead")
    sns = bench.aws.client("sns")
    topic = sns.create_topic(Name="ticks")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue.arn)
    gone, lost = {"Arn": f"{queue.arn}-gone"}, "arn:aws:lambda:us-east-1:000000000000:function:nobody"
    buried = {"DeadLetterConfig": {"Arn": dead.arn}}
    noon = "at(2026-07-01T12:00:00)"
    rule = bench.rule(
        "many", "cron(0 6 * * ? *)", {"Id": "q", "Arn": queue.arn, "InputPath": "$.time"}, {"Id": "x", **gone, **buried}
    )
    bench.schedule("topic", noon, topic, Target={"Input": '{"n": "<aws.scheduler.attempt-number>"}'})
    call = json.dumps({"QueueUrl": queue.url, "MessageBody": '"universal"'})
    bench.schedule("call", noon, "arn:aws:scheduler:::aws-sdk:sqs:sendMessage", Target={"Input": call})
    schedule = bench.schedule("lost", noon, lost, Target={"Input": "{}", **buried})
    bench.run("2026-07-01T00:00:00Z", "2026-07-02T00:00:00Z")
    # At least once: where an answer does not come back in time, what was sent is sent again.
    texts = {"2026-07-01T06:00:00Z", "universal"}

    def arrived() -> bool:
        bodies = queue.bodies()
        attempts = [json.loads(body["Message"]) for body in bodies if isinstance(body, dict)]
        return texts == {body for body in bodies if isinstance(body, str)} and {"n": "1"} in attempts

    try:
        eventually(arrived)
    except AssertionError as error:
        raise AssertionError(f"came: {queue.bodies()}; steps: {bench.platform.ask('GET', 'flow')['steps']}") from error
    letters = eventually(lambda: found if len(found := dead.receive()) == 2 else None)
    said = [{name: value["StringValue"] for name, value in letter["MessageAttributes"].items()} for letter in letters]
    of_rule = next(letter for letter in said if "RULE_ARN" in letter)
    of_schedule = next(letter for letter in said if "SCHEDULE_ARN" in letter)
    assert (of_rule["RULE_ARN"], of_rule["TARGET_ARN"], of_rule["RETRY_ATTEMPTS"]) == (rule, gone["Arn"], "0")
    assert "NonExistentQueue" in of_rule["ERROR_CODE"]
    assert (of_schedule["SCHEDULE_ARN"], of_schedule["ERROR_CODE"]) == (schedule, "ResourceNotFoundException")
    assert of_schedule["SCHEDULED_TIME"] == "2026-07-01T12:00:00Z"
    assert [step["what"] for step in bench.steps(schedule)][:2] == ["failed", "dead-lettered"]


def test_an_expression_that_cannot_be_is_told_in_the_flow(bench: Bench) -> None:
    arn = bench.schedule("wrong", "cron(0 9 * * * *)", "arn:aws:lambda:us-east-1:000000000000:function:f")
    bench.clock("PUT", at="2026-07-01T00:00:00Z", paused=True)
    (step,) = bench.steps(arn)
    assert step["what"] == "dropped"
    assert "cron(0 9 * * * *) cannot be used" in step["detail"]


def test_the_clock_answers_and_refuses(bench: Bench) -> None:
    seen = bench.clock("PUT", at="2026-07-01T02:00:00+02:00", paused=True, speed=60)
    assert (seen["at"], seen["simulated"], seen["paused"], seen["speed"]) == ("2026-07-01T00:00:00Z", True, True, 60)
    for body in (
        b"{",
        b"[]",
        b'{"at": "noon"}',
        b'{"speed": 0}',
        b'{"speed": "fast"}',
        b'{"sped": 1}',
        b'{"until": 3}',
    ):
        answer = bench.platform.raw("PUT", "/_workbench/clock", body)
        assert (answer.status_code, answer.headers["x-amzn-errortype"]) == (400, "ValidationException"), body
    assert bench.platform.raw("PUT", "/_workbench/clock", b"{}", signed=False).status_code == 403
    assert bench.clock("GET")["at"] == seen["at"]
    assert not bench.clock("DELETE")["simulated"]


def test_by_wall_time_a_schedule_fires_when_it_is_time(bench: Bench) -> None:
    function, book = bench.keeper("wall")
    bench.clock("DELETE")
    soon = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=2)
    bench.schedule("soon", f"at({soon:%Y-%m-%dT%H:%M:%S})", function, Target={"Input": '"at"'})
    bench.schedule("at-once", "rate(1 minute)", function, Target={"Input": '"rate"'})
    eventually(lambda: "at" in read(book))
    assert datetime.now(UTC) >= soon
    assert Counter(read(book)) == {"at": 1, "rate": 1}
    assert not bench.clock("GET")["simulated"]


@pytest.mark.timeout(120)
def test_a_kill_in_the_middle_of_a_day_loses_and_doubles_nothing(tmp_path: Path) -> None:
    with Aws() as aws:
        arguments = ("--aws-endpoint", aws.endpoint, "--state", str(tmp_path / "state"), "--retry-scale", "0.002", *FEW)
        platform = Platform(*arguments)
        try:
            bench = Bench(aws, platform, tmp_path)
            bench.clock("POST", "clock/pause")
            function, book = bench.keeper("killed")
            queue = aws.queue("killed")
            bench.rule("often", "cron(0/10 * * * ? *)", {"Id": "f", "Arn": function}, {"Id": "q", "Arn": queue.arn})
            bench.schedule("rate", "rate(1 hour)", function)
            bench.clock("PUT", at="2026-03-27T00:00:00Z", until="2026-03-28T00:00:00Z", speed=FAST / 12)
            eventually(lambda: bench.clock("GET")["fired_until"] > "2026-03-27T08")
        finally:
            platform.stop(signal.SIGKILL)
        with Platform(*arguments) as again:
            bench.platform = again
            bench.ran()
            found = Counter((event["source"], event["time"]) for event in read(book))
            eventually(lambda: len({body["time"] for body in queue.bodies()}) == 144)
    assert max(found.values()) == 1
    assert Counter(source for source, _ in found) == {"aws.events": 144, "aws.scheduler": 24}
