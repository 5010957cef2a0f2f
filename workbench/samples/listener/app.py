"""An order desk that listens to a queue of RabbitMQ, as services that run all day do.

`{"action": "subscribe", "queue": "orders"}` begins to listen in the background and answers at
once. `{"action": "stay", "queue": "orders"}` listens too, and does not answer as long as it does.
`{"action": "status"}` tells how many orders this instance has handled, and how its listening ended.

For each order it works for a moment, says so in the queue `orders.done`, and only then
acknowledges it: an order whose desk goes away before that comes again.

AMQP_URL says where the broker is, LISTENER_HEARTBEAT_S how often each side wants to hear of the
other, LISTENER_PREFETCH how many orders it lies on its desk at a time.
"""

import json
import os
import threading
import time

HEARTBEAT_S = int(os.environ.get("LISTENER_HEARTBEAT_S", "60"))
PREFETCH = int(os.environ.get("LISTENER_PREFETCH", "10"))
WORK_S = float(os.environ.get("LISTENER_WORK_MS", "20")) / 1000

seen = {"handled": 0, "ended": ""}
listening = []


def connect(queue):
    """A channel on which orders come; the connection is called as the queue is, for the log."""
    import pika  # here, so that a desk which listens to nothing answers without it

    settings = pika.URLParameters(os.environ["AMQP_URL"])
    settings.heartbeat = HEARTBEAT_S
    settings.client_properties = {"connection_name": queue}
    channel = pika.BlockingConnection(settings).channel()
    channel.basic_qos(prefetch_count=PREFETCH)
    return channel


def listen(channel, queue):
    """Handle orders until the connection ends."""
    try:
        for told, _, body in channel.consume(queue):
            time.sleep(WORK_S)
            done = {"order": json.loads(body)["order"], "redelivered": told.redelivered}
            channel.basic_publish("", f"{queue}.done", json.dumps(done).encode())
            channel.basic_ack(told.delivery_tag)
            seen["handled"] += 1
    except Exception as error:
        seen["ended"] = f"{type(error).__name__}: {error}"


def handler(event, context):
    """See above; raises ValueError for an action that there is not."""
    event = event or {}
    action, queue = event.get("action", "status"), event.get("queue", "orders")
    if action == "subscribe":
        channel = connect(queue)
        listening.append(threading.Thread(target=listen, args=(channel, queue), daemon=True))
        listening[-1].start()
    elif action == "stay":
        listen(connect(queue), queue)
    elif action != "status":
        raise ValueError(f"action must be subscribe, stay or status, not {action!r}")
    return {**seen, "listening": any(one.is_alive() for one in listening)}
