"""Exercise 04: a handler that leaves nothing behind, takes no more than it needs, and shows nobody what is secret."""

from __future__ import annotations

import hmac
from typing import Any

from workbench.deployment import Deployment
from workbench.invocation import InvocationResult
from workbench.labs.checks import Bench, NotYet, brief, check, expect
from workbench.labs.exercises import Exercise

_MB = 2**20
_MOST = 0.25
"""The share of a large upload that may be in memory at a time; read in pieces it is far less, on any machine."""

_CAPTION = "Ann and Tom said yes"


def _invoke(deployment: Deployment, upload: str, *, cold: bool = False, caption: str = "") -> InvocationResult:
    event = {"upload": upload, **({"caption": caption} if caption else {})}
    return deployment.invoke_cold(event) if cold else deployment.invoke(event)


def _answer(result: InvocationResult) -> dict[str, Any]:
    answer = result.payload["answer"]
    if not isinstance(answer, dict) or not {"bytes", "caption", "signature"} <= set(answer):
        raised = result.payload["raised"]
        seen = f"it raised {raised}" if raised else f"it returned {brief(answer)}"
        raise NotYet(f'For a picture it must return {{"bytes", "caption", "signature"}}; {seen}.')
    return answer


@check("A picture is answered with its size, its caption and its signature")
def _good(bench: Bench) -> str:
    from workbench.labs.given.good_guest import store

    result = _invoke(bench.deployed("serverless"), "beach", cold=True, caption=_CAPTION)
    answer = _answer(result)
    expect([answer["bytes"], answer["caption"]], [store.UPLOADS["beach"], _CAPTION], "Ann sent a picture of 4 MB.")
    wanted = hmac.new(result.payload["key"].encode(), store.get("beach").read(), "sha256").hexdigest()
    expect(answer["signature"], wanted, "Its signature was compared with that of what she sent.")
    return "4 MB, signed as they were sent."


@check("An upload that fails leaves no file behind")
def _leaves_nothing(bench: Bench) -> str:
    function = bench.deployed("serverless")
    left: list[int] = []
    for place, upload in enumerate(("novel", "cut off", "novel")):
        result = _invoke(function, upload, cold=place == 0)
        left += result.payload["left"]
        answer = result.payload["answer"]
        if not result.payload["raised"] and not (isinstance(answer, dict) and set(answer) == {"error"}):
            raise NotYet(f'An upload that is no picture must be refused with {{"error": ...}}; it got {brief(answer)}.')
    left += _invoke(function, "beach").payload["left"]
    if left:
        raise NotYet(
            f"Two uploads were no pictures, one broke off and one was good. They left {_things(len(left))} with "
            f"{sum(left) / _MB:.1f} MB in /tmp. A warm instance answers thousands: when is its /tmp full?"
        )
    return "Two uploads were no pictures, one broke off, one was good: /tmp is as it was."


@check("A large upload takes no more memory than a small one")
def _in_pieces(bench: Bench) -> str:
    from workbench.labs.given.good_guest import store

    function = bench.deployed("serverless")
    peaks = {}
    for upload in ("beach", "wedding"):
        result = _invoke(function, upload)
        expect(_answer(result)["bytes"], store.UPLOADS[upload], f"The upload was {store.UPLOADS[upload] // _MB} MB.")
        peaks[upload] = result.payload["peak_bytes"]
    seen = " and ".join(f"{store.UPLOADS[u] // _MB} MB took up to {p / _MB:.1f} MB of memory" for u, p in peaks.items())
    if peaks["wedding"] > _MOST * store.UPLOADS["wedding"]:
        raise NotYet(f"{seen}. How large may an upload be, at a limit of {function.service.resources.memory_mb} MB?")
    return f"{seen}."


@check("The key is nowhere that a neighbour can look while the tool signs")
def _key_unseen(bench: Bench) -> str:
    result = _invoke(bench.deployed("serverless"), "beach")
    _answer(result)
    if places := result.payload["shown_in"]:
        where = {
            "command line": "/proc/PID/cmdline, open to every user",
            "environment": "/proc/PID/environ",
            "file": "under its name, as long as it is there",
        }
        raise NotYet(
            f"The process that your handler started had the key in its {' and its '.join(places)}: "
            f"{'; '.join(where[place] for place in places)}. You read a neighbour's in the lab."
        )
    how = "handed over unseen" if result.payload["started"] else "used without another process"
    return f"The key was {how}, and the signature is right."


@check("The next customer of the same instance meets nothing of the one before")
def _next_customer(bench: Bench) -> str:
    function = bench.deployed("serverless")
    first = _invoke(function, "beach", cold=True, caption=_CAPTION)
    second = _invoke(function, "beach")
    if first.instance_id != second.instance_id:
        raise NotYet("Another instance answered the second customer, so this could not be seen. Run the check again.")
    expect(_answer(second)["caption"], "", "Ann sent a picture with a caption. Then Bob sent one without.")
    if names := first.payload["kept_in"]:
        raise NotYet(f"Bob was not shown Ann's caption, but the instance still has it, in {', '.join(names)}.")
    return "Ann's caption went with her invocation; the instance kept nothing of it."


def _things(number: int) -> str:
    return f"{number} {'file' if number == 1 else 'files'}"


GOOD_GUEST = Exercise(
    name="good_guest",
    title="A good guest, and a wary one",
    notebook="04_isolation.ipynb",
    checked_handler="checked.handler",
    checks=(_good, _leaves_nothing, _in_pieces, _key_unseen, _next_customer),
    hints=(
        "Follow the handler line by line and ask: what is still there when this line has raised, or returned? How much "
        "of the upload is in memory here? Who else can read this? Whose is it in the next call?",
        "A with-block ends whatever happens in it, and tempfile.NamedTemporaryFile removes its file then. An upload "
        "can be read in pieces: read(65536) until nothing comes. sign.py takes its key in three ways: where could a "
        "neighbour read each? And a name at the top of the file outlives the call.",
        "Write each piece to the NamedTemporaryFile as it comes, look at the first one only for PIC1, and flush the "
        "file before sign.py reads it. Run the tool without --key and pass input=vault.signing_key(): that goes "
        "through a pipe, which has no name. Take the caption from the event: event.get('caption', '').",
    ),
)
