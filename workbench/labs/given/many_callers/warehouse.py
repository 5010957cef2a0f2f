"""A warehouse's stock, asked over the network: it takes its time, and it turns away who comes when four are there."""

import threading
import time

SEATS = 4
TAKES_S = 0.15
STOCK = {f"A{number}": 100 + number for number in range(1, 21)}

_lock = threading.Lock()
there = most = turned_away = 0


class Crowded(Exception):
    """Four are there already; the fifth is turned away."""


def ask(sku: str) -> int:
    """How many of an article there are; raises KeyError for one that there is not, Crowded when four are asking."""
    _enter()
    try:
        time.sleep(TAKES_S)
        return STOCK[sku]
    finally:
        _leave()


def _enter() -> None:
    global there, most, turned_away
    with _lock:
        if there >= SEATS:
            turned_away += 1
            raise Crowded(f"{SEATS} are asking already")
        there += 1
        most = max(most, there)


def _leave() -> None:
    global there
    with _lock:
        there -= 1
