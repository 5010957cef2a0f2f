"""Lambda's quotas, sizes in bytes ("Lambda quotas", AWS Lambda Developer Guide)."""

MAX_ZIP = 50 * 2**20
"""A ZIP uploaded in a request."""

MAX_UNPACKED = 250 * 2**20
"""A function's code unpacked, its layers included."""

MAX_STORED = 75 * 2**30
"""All code of an account in a region."""

PAGE = 50
"""Entries in one answer of a List operation."""

MAX_LAYERS = 5
"""Layers of one function."""
