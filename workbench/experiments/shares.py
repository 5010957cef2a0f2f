"""How often something happened, as a share with its interval."""

from __future__ import annotations


def share_interval(happened: int, of: int, confidence: float = 0.95) -> tuple[float, float]:
    """The exact interval (Clopper and Pearson, 1934) of a share of which `happened` out of `of` independent tries.

    It covers the true share at least so often as `confidence` says, however few the tries. Raises ValueError on none.
    """
    from scipy.stats import binomtest

    if of < 1:
        raise ValueError("There were no tries, so there is no share. Make at least one.")
    found = binomtest(happened, of).proportion_ci(confidence, method="exact")
    return float(found.low), float(found.high)
