"""The broker as the old order desk knew it: a connection that is held, and messages that come when they come."""

import time
from collections.abc import Iterator


def consume(queue: str) -> Iterator[str]:
    """Wait for the messages of a queue, one by one, for ever.

    In a function "for ever" is until the instance is frozen or ended; so that nobody has to wait for that here, the
    broker closes the connection after a moment, as it does with a consumer that it has not heard of.
    """
    time.sleep(0.2)
    raise ConnectionError(f"the broker closed the connection to {queue}: missed heartbeats from client")
    yield ""  # what a message would come by
