"""Invocations that nobody waits for: on disk until they are done with, and where their results go."""
