from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.faas.http_wire import MAX_BODY, MAX_HEAD, BadRequest, Request, RequestReader


def read(data: bytes, cuts: list[int] = []) -> list[Request]:  # noqa: B006
    reader, found, at = RequestReader(), [], 0
    for cut in [*sorted(c % (len(data) + 1) for c in cuts), len(data)]:
        reader.feed(data[at:cut])
        at = cut
        while (request := reader.next()) is not None:
            found.append(request)
    return found


BODIES = st.lists(st.binary(max_size=300), min_size=1, max_size=4)


@given(BODIES, st.lists(st.integers(0, 5000), max_size=8))
def test_sized_requests_come_out_whole_however_they_arrive(bodies: list[bytes], cuts: list[int]) -> None:
    data = b"".join(b"POST /p HTTP/1.1\r\nContent-Length: %d\r\nX-A:  b \r\n\r\n%b" % (len(b), b) for b in bodies)
    found = read(data, cuts)
    assert [r.body for r in found] == bodies
    assert all((r.method, r.path, r.headers["x-a"]) == ("POST", "/p", "b") for r in found)


@given(BODIES, st.lists(st.integers(0, 5000), max_size=8))
def test_chunked_requests_come_out_whole_with_their_trailers(chunks: list[bytes], cuts: list[int]) -> None:
    chunks = [c for c in chunks if c]
    body = b"".join(b"%x;ext=1\r\n%b\r\n" % (len(c), c) for c in chunks) + b"0\r\nX-Late: yes\r\n\r\n"
    data = b"POST /p HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + body + b"GET /q HTTP/1.1\r\n\r\n"
    first, second = read(data, cuts)
    assert first.body == b"".join(chunks)
    assert first.headers["x-late"] == "yes"
    assert (second.method, second.path, second.body) == ("GET", "/q", b"")


@given(st.binary(max_size=500))
def test_noise_is_refused_or_waited_on_never_more(noise: bytes) -> None:
    try:
        read(noise + b"\r\n\r\n")
    except BadRequest as refused:
        status = refused.status
    else:
        return
    assert 400 <= status < 500


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HTTP/2\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY + 1), 413),
        (b"GET / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n", 413),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % (MAX_BODY + 1), 413),
        (b"x" * (MAX_HEAD + 1), 431),
    ],
)
def test_what_is_refused(data: bytes, status: int) -> None:
    with pytest.raises(BadRequest) as caught:
        read(data)
    assert caught.value.status == status


def test_a_large_body_announced_with_expect_is_asked_for() -> None:
    reader = RequestReader()
    reader.feed(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    assert reader.next() is None
    assert reader.expects_continue
    reader.feed(b"{}")
    assert reader.next() is not None
    assert not reader.expects_continue
