"""The one way in which a function of moto's is replaced."""

from __future__ import annotations

from typing import Any


def replace(owner: Any, name: str, function: Any) -> Any:
    """Put `function` in place of a module's or class's one; the original.

    Raises AttributeError when there is none of that name, so that another version of moto does not go unnoticed.
    """
    original = getattr(owner, name)
    setattr(owner, name, function)
    return original
