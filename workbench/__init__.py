"""The Deployment Workbench: one service, three deployments, four measurements."""
