from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.faas.http_wire import Connection, Request

MAX_HEAD, MAX_BODY = 2_000, 10_000


class Transport:
    def __init__(self) -> None:
        self.written = b""
        self.closed = False

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True


class Reader(Connection):
    def __init__(self, *, cut: bool = False, part: Callable[[bytes], None] | None = None) -> None:
        super().__init__(MAX_HEAD, MAX_BODY, cut=cut)
        self.out = Transport()
        self.connection_made(self.out)  # type: ignore[arg-type]
        self.found: list[Request] = []
        self._part = part

    def begin(self, request: Request) -> Callable[[bytes], None] | None:
        return self._part

    def handle(self, request: Request) -> None:
        self.found.append(request)

    @property
    def status(self) -> int:
        """Of the answer that it gave by itself; 0 when it gave none."""
        return int(self.out.written.split(b" ")[1]) if self.out.written else 0


def read(data: bytes, cuts: list[int] = [], reader: Reader | None = None) -> Reader:  # noqa: B006
    reader, at = reader or Reader(), 0
    for cut in [*sorted(c % (len(data) + 1) for c in cuts), len(data)]:
        if cut > at:
            reader.data_received(data[at:cut])
        at = cut
    return reader


BODIES = st.lists(st.binary(max_size=300), min_size=1, max_size=4)
CUTS = st.lists(st.integers(0, 5000), max_size=8)


@given(BODIES, CUTS)
def test_sized_requests_come_out_whole_however_they_arrive(bodies: list[bytes], cuts: list[int]) -> None:
    data = b"".join(b"POST /p HTTP/1.1\r\nContent-Length: %d\r\nX-A:  b \r\n\r\n%b" % (len(b), b) for b in bodies)
    found = read(data, cuts).found
    assert [r.body for r in found] == bodies
    assert all((r.method, r.target, r.headers["x-a"]) == ("POST", "/p", "b") for r in found)
    assert all(r.keep_alive for r in found)


@given(BODIES, CUTS)
def test_chunked_requests_come_out_whole_with_their_trailers(chunks: list[bytes], cuts: list[int]) -> None:
    chunks = [c for c in chunks if c]
    body = b"".join(b"%x;ext=1\r\n%b\r\n" % (len(c), c) for c in chunks) + b"0\r\nX-Late: yes\r\n\r\n"
    data = b"POST /p HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + body + b"GET /q HTTP/1.1\r\n\r\n"
    first, second = read(data, cuts).found
    assert first.body == b"".join(chunks)
    assert first.headers["x-late"] == "yes"
    assert (second.method, second.target, second.body) == ("GET", "/q", b"")


@given(BODIES, CUTS)
def test_a_body_that_is_wanted_part_by_part_is_not_kept(chunks: list[bytes], cuts: list[int]) -> None:
    parts: list[bytes] = []
    body = b"".join(b"%x\r\n%b\r\n" % (len(c), c) for c in chunks if c) + b"0\r\n\r\n"
    data = b"POST /p HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + body
    (request,) = read(data, cuts, Reader(part=parts.append)).found
    assert b"".join(parts) == b"".join(chunks)
    assert request.body == b""


@given(st.booleans(), st.binary(max_size=50), CUTS)
def test_a_wish_for_another_protocol_is_ignored(chunked: bool, body: bytes, cuts: list[int]) -> None:
    framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % len(body)
    sent = (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n" if chunked else body
    head = b"POST /p HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nX-A: b\r\n%b\r\n\r\n" % framing
    found = read((head + sent) * 3 + b"GET /q HTTP/1.1\r\n\r\n", cuts).found
    assert [(r.method, r.target, r.body) for r in found] == [("POST", "/p", body)] * 3 + [("GET", "/q", b"")]
    assert [r.headers.get("X-A") for r in found] == ["b", "b", "b", None]


def test_thousands_of_wishes_at_once_are_ignored_too() -> None:
    data = b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n" * 5000
    assert len(read(data).found) == 5000


@given(st.binary(max_size=500))
def test_noise_is_refused_or_waited_on_never_more(noise: bytes) -> None:
    reader = read(noise + b"\r\n\r\n")
    if reader.status:
        assert 400 <= reader.status < 500
        assert reader.out.closed


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HTTP/2\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY + 1), 413),
        (b"GET / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (20_000, b"x" * 20_000), 413),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"e" * 2 * MAX_HEAD, 431),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"X: 1\r\n" * MAX_HEAD, 431),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * (MAX_HEAD + 1), 431),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * (MAX_HEAD + 1) + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"X: x\r\n" * MAX_HEAD + b"\r\n", 431),
        (b"GET /" + b"x" * (MAX_HEAD + 1), 431),
    ],
)
@pytest.mark.parametrize("cuts", [[], list(range(0, 30_000, 500))])
def test_what_is_refused(data: bytes, status: int, cuts: list[int]) -> None:
    reader = read(data, cuts)
    assert reader.status == status
    assert reader.out.closed
    assert reader.found == []


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_is_too_large_can_be_left_out_instead(chunked: bool) -> None:
    large = b"x" * (MAX_BODY + 1)
    framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % len(large)
    sent = b"%x\r\n%b\r\n0\r\n\r\n" % (len(large), large) if chunked else large
    data = b"POST / HTTP/1.1\r\n%b\r\n\r\n%b" % (framing, sent)
    first, second = read(data + b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi", [500, 9000], Reader(cut=True)).found
    assert (first.cut, first.body) == (True, b"")
    assert (second.cut, second.body) == (False, b"hi")


def test_a_large_body_announced_with_expect_is_asked_for() -> None:
    reader = Reader()
    reader.data_received(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    assert reader.out.written == b"HTTP/1.1 100 Continue\r\n\r\n"
    reader.data_received(b"{}")
    assert reader.out.written.count(b"100") == 1
    assert reader.found[0].body == b"{}"


def test_an_expected_body_that_is_there_is_not_asked_for() -> None:
    reader = read(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}")
    assert reader.out.written == b""
    assert len(reader.found) == 1


def test_a_request_on_its_way_is_told_from_none() -> None:
    reader = Reader()
    assert not reader.mid_request
    for data, mid in (
        (b"POST / HT", True),
        (b"TP/1.1\r\nContent-Length: 2\r\n\r\n", True),
        (b"{", True),
        (b"}", False),
    ):
        reader.data_received(data)
        assert reader.mid_request == mid


def test_headers_are_found_in_any_case_and_several_of_a_name_are_joined() -> None:
    (request,) = read(b"GET / HTTP/1.1\r\nX-A: 1\r\nx-a: 2\r\nB: \xfc\r\n\r\n").found
    assert request.headers["X-a"] == "1,2"
    assert request.headers.get("b") == "ü"
    assert "X-A" in request.headers
    assert "C" not in request.headers
    assert request.header(b"x-a") == b"2"
    assert request.header(b"c") is None
