"""The AWS services beside the platform: moto, in a process of its own that only the platform reaches (`serve --aws`).

`services` starts and ends it and passes requests on (`upstream`); what happens inside (`inside/`) and is an event for a
function comes back by `handover`, and is on disk before the request that made it is answered.
"""

from workbench.events.embedded.services import SERVICES, Embedded

__all__ = ["SERVICES", "Embedded"]
