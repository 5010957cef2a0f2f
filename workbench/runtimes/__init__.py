"""What runs inside a sandbox: standard library and awslambdaric only, nothing of the rest of workbench."""
