"""The ways to invoke besides a direct call: events of AWS services, an HTTP gateway, mail, schedules.

What runs in the platform's process is a companion of it (`faas.companion`); `beside` makes them all. Nothing is loaded
here: a gateway's process, or a notebook that only lists times, needs one of them.
"""
