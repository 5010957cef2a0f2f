"""A platform whose idle expiry the learner does not know, and what a probe from outside made of it."""

from __future__ import annotations

import random

from workbench.deployments.serverless import ServerlessDeployment, deploy
from workbench.findings import expiry
from workbench.findings.wording import seconds
from workbench.labs.panel import Panel, table
from workbench.records import Measurement
from workbench.service import Service

WAITS = ("5 or fewer", "6 to 10", "11 to 20", "more than 20")
"""The choices of a question about how many different waits a probe needs."""

SHORTEST_S, LONGEST_S = 0.5, 1.5


def forgetful(service: Service, sandbox: str = "auto") -> ServerlessDeployment:
    """The service on a platform that ends idle instances after 0.5 to 1.5 s, drawn anew each time; see `unveiled`."""
    return deploy(service, sandbox, idle_expiry_s=round(random.uniform(SHORTEST_S, LONGEST_S), 3))


def waits(probed: Measurement) -> str:
    """How many different waits a keep-alive probe took, as one of WAITS."""
    number = len({one[0] for one in probed.detail["tries"]})
    return WAITS[(number > 5) + (number > 10) + (number > 20)]


def unveiled(probed: Measurement, function: ServerlessDeployment) -> Panel:
    """The bracket that was found from outside, beside the idle expiry that the platform was given."""
    low, high = expiry.bounds(probed)
    given = function.idle_expiry_s
    rows = [
        ["found from outside", f"above {seconds(low)}, not above {seconds(high)}"],
        ["given to the platform", seconds(given) if given is not None else "its default"],
    ]
    html, text = table(["idle expiry", ""], rows)
    inside = given is not None and high is not None and low <= given <= high
    title = "The bracket holds the expiry" if inside else "The bracket does not hold the expiry: was the timer late?"
    return Panel(title, html, text, "good" if inside else "note")
