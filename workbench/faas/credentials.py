"""Access keys of this platform: its owner's, and one for each instance that ends with it.

As on AWS, an instance finds temporary credentials in its environment, and no other instance has the same. What a role
would allow is not evaluated here: they open this platform's AWS API, but not what is under `/_workbench/`.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Key:
    """An access key; `owner` is the instance that it was given to, empty for the platform's own."""

    access_key: str
    secret: str
    session_token: str = ""
    owner: str = ""

    def environment(self) -> dict[str, str]:
        """The variables that every AWS SDK looks for."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_SESSION_TOKEN": self.session_token,
        }


class Keyring:
    """All keys that are valid now."""

    def __init__(self, access_key: str, secret: str) -> None:
        self._keys = {access_key: Key(access_key, secret)}
        self._by_owner: dict[str, str] = {}

    def issue(self, instance: str) -> Key:
        """A new key for an instance, valid until `revoke`."""
        key = Key("ASIA" + secrets.token_hex(8).upper(), secrets.token_urlsafe(30), secrets.token_urlsafe(48), instance)
        self._keys[key.access_key] = key
        self._by_owner[instance] = key.access_key
        return key

    def revoke(self, instance: str) -> None:
        """The instance has ended: so has its key."""
        access_key = self._by_owner.pop(instance, None)
        if access_key is not None:
            del self._keys[access_key]

    def find(self, access_key: str, session_token: str) -> Key | None:
        """The valid key of that name, if the session token that came with it is its own."""
        key = self._keys.get(access_key)
        if key is None or not hmac.compare_digest(key.session_token.encode(), session_token.encode()):
            return None
        return key
