"""An accepted event is traceable to its result."""

from __future__ import annotations

from workbench.events.flow import Flow, What
from workbench.faas.companion import Delivery


def test_the_end_of_an_invocation_is_told_with_the_events_it_was_accepted_for() -> None:
    flow = Flow()
    flow.tell(What.ACCEPTED, "arn:bucket", "arn:f", ["key:1"], request="r1")
    flow.tell(What.ACCEPTED, "arn:bucket", "arn:f", ["key:2"], request="r2")
    flow.delivered(Delivery("r1", "f", "", "TooManyRequestsException"))
    flow.delivered(Delivery("r1", "f", "i-1", ""))
    found = [(s.what, s.request, s.instance, s.detail) for s in flow.steps(event="key:1")]
    assert found == [
        (What.ACCEPTED, "r1", "", ""),
        (What.FAILED, "r1", "", "TooManyRequestsException"),
        (What.ANSWERED, "r1", "i-1", ""),
    ]
    assert [s.source for s in flow.steps(event="key:1")] == ["arn:bucket"] * 3


def test_what_is_given_up_is_told_with_where_it_went() -> None:
    flow = Flow()
    flow.tell(What.ACCEPTED, "arn:bucket", "arn:f", ["key:1"], request="r1")
    flow.tell(What.ACCEPTED, "arn:bucket", "arn:f", ["key:2"], request="r2")
    flow.delivered(Delivery("r1", "f", "", "RetriesExhausted", given_up=True, targets=("arn:queue",)))
    flow.delivered(Delivery("r2", "f", "", "EventAgeExceeded", given_up=True))
    assert [(s.what, s.events, s.detail) for s in flow.steps()[2:]] == [
        (What.DEAD, ("key:1",), "RetriesExhausted: put into arn:queue"),
        (What.DROPPED, ("key:2",), "EventAgeExceeded"),
    ]


def test_one_of_an_earlier_platform_is_told_by_its_request_alone() -> None:
    flow = Flow()
    flow.delivered(Delivery("r0", "f", "i-1", "boom"))
    (step,) = flow.steps()
    assert (step.what, step.request, step.function, step.events) == (What.FAILED, "r0", "f", ())
