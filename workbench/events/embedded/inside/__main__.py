"""The process: `python -m workbench.events.embedded.inside DIRECTORY`; says `ready`, ends when its input does."""

from __future__ import annotations

import os
import shutil
import sys
import threading

from workbench.events.embedded.inside import apis, mail, objects, rules, server, topics
from workbench.events.embedded.inside.outbox import Outbox


def main(directory: str) -> None:
    """Serve until the platform is gone."""
    threading.Thread(target=_end_with_the_platform, args=(directory,), daemon=True).start()
    outbox = Outbox(os.path.join(directory, "platform.sock"))
    for service in (objects, topics, rules, mail, apis):
        service.install(outbox)
    listener = server.make(os.path.join(directory, "aws.sock"), outbox)
    print("ready", flush=True)
    os.dup2(2, 1)  # nobody reads on
    listener.serve_forever()


def _end_with_the_platform(directory: str) -> None:
    """The platform may have been killed, and nobody else may be there to remove the sockets.

    The session's directory stays: by it the next start sees that there is something of a dead session to clean up.
    """
    while os.read(0, 4096):
        pass
    shutil.rmtree(directory, ignore_errors=True)
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
