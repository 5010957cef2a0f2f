"""Deploys a service, invokes it and closes it: `python -m tests.killing.owner PATTERN SANDBOX`."""

from __future__ import annotations

import sys

from workbench.deployments import deploy
from workbench.samples import sample

if __name__ == "__main__":
    with deploy(sample("pricing"), sys.argv[1], sandbox=sys.argv[2]) as deployment:
        deployment.invoke({"sku": "A1", "quantity": 3})
        if deployment.pattern != "serverless":
            deployment.scale(2)
