"""What a function may reach, and the keys that instances get."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.faas.credentials import Keyring
from workbench.faas.running import outbound


def test_the_tag_names_ports_and_where_they_lead() -> None:
    found = outbound.parse("5432  6379=127.0.0.1:6380 443=db.example:8443")
    assert found == {5432: ("127.0.0.1", 5432), 6379: ("127.0.0.1", 6380), 443: ("db.example", 8443)}
    assert outbound.parse("") == {}


@pytest.mark.parametrize(
    "text", ["0", "70000", "x", "5432=host", "5432=:1", "9001", "1 1", "80=h:0", " ".join(map(str, range(1, 10)))]
)
def test_a_wrong_tag_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match="workbench:outbound"):
        outbound.parse(text)


@given(
    st.dictionaries(
        st.integers(1, 8999),
        st.tuples(st.from_regex(r"[a-z0-9.-]{1,20}", fullmatch=True), st.integers(1, 65535)),
        max_size=8,
    )
)
def test_what_is_written_is_what_is_read(ports: dict[int, tuple[str, int]]) -> None:
    text = " ".join(f"{inside}={host}:{port}" for inside, (host, port) in ports.items())
    assert outbound.parse(text) == ports


def test_an_instance_has_a_key_of_its_own_until_it_ends() -> None:
    keys = Keyring("AKIAPLATFORM", "secret")
    mine, other = keys.issue("i-1"), keys.issue("i-2")
    assert mine.access_key != other.access_key
    assert keys.find(mine.access_key, mine.session_token) == mine
    assert keys.find(mine.access_key, other.session_token) is None
    assert keys.find(mine.access_key, "") is None
    keys.revoke("i-1")
    keys.revoke("i-1")
    assert keys.find(mine.access_key, mine.session_token) is None
    owner = keys.find("AKIAPLATFORM", "")
    assert owner is not None
    assert owner.owner == ""
