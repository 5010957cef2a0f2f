"""Customs duties by country, in percent: work that few requests need, since most orders stay at home."""

CLAUSES = 150_000

loads = 0


def load() -> dict[str, int]:
    """Work out each country's mean duty from the clauses of its treaty; counts how often this instance did that."""
    global loads
    loads += 1
    return {country: _mean(highest) for country, highest in (("CH", 8), ("NO", 22), ("JP", 14))}


def _mean(highest: int) -> int:
    state, total = 1, 0
    for _ in range(CLAUSES):
        state = (state * 1103515245 + 12345) % 2147483648  # a linear congruential generator: the same clauses always
        total += (state >> 16) % (highest + 1)
    return round(total / CLAUSES)
