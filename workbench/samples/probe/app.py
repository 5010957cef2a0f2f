"""A service that looks around from inside its own sandbox and presses against its limits.

Deploy it and ask. The payload names an action, the other fields are its arguments:

    {"action": "whoami"}                                   who and where am I
    {"action": "plant", "secret": "s3cret"}                hide a secret, for a neighbour to look for
    {"action": "forget"}                                   remove what was planted
    {"action": "processes", "secret": "s3cret"}            whose processes can I see, and is the secret among them
    {"action": "read_memory", "pid": 7, "address": 4096, "secret": "s3cret", "same_pids": true}
    {"action": "read_files", "path": "/tmp/x", "secret": "s3cret"}
    {"action": "signal", "pid": 7, "same_pids": true}      may I signal that process (signal 0: nothing happens to it)
    {"action": "connect", "addresses": [["127.0.0.1", 80]]}  whom can I reach
    {"action": "write_root"}                               may I change the file system that I run on
    {"action": "machine"}                                  which kernel and which machine do I see
    {"action": "clock"} · {"action": "devices"}            may I set the clock, what is in /dev
    {"action": "calls", "pid": 7, "same_pids": true}       which calls that change a machine am I allowed
    {"action": "allocate", "megabytes": 300, "processes": 1}   how much memory do I get
    {"action": "crowd", "members": 300}                    how many processes and threads do I get
    {"action": "spin", "seconds": 1, "workers": 2}         how much CPU do I get
    {"action": "fork_bomb", "members": 300, "seconds": 1}  the same, with processes, and again and again
    {"action": "fill_tmp", "most_mb": 512, "unlimited_mb": 64, "seconds": 1}   how much of /tmp do I get
    {"action": "hog_disk", "most_mb": 256, "seconds": 1}   keep the disk busy
    {"action": "flood", "addresses": [["127.0.0.1", 80]], "most": 1000, "seconds": 1}   open connections
    {"action": "work", "rounds": 8000, "write_kb": 0}      one unit of honest work, to time
    {"action": "say", "text": "hello"}                     print a line, to find in the log
    {"action": "sleep", "seconds": 1} · {"action": "exit", "code": 3} · {"action": "raise", "message": "on purpose"}

It uses the standard library only, changes nothing for good, and harms nobody: it connects without saying anything,
sends only signal 0, asks the kernel for nothing that would change it, and every pressure has an end. Run two of them
side by side and one can look for the other; that is how the isolation experiment works.
"""

import os
import time

import probe_hogs
import probe_kernel
import probe_machine
import probe_pressure
import probe_reach
import probe_surroundings


def say(text):
    """Print a line, as any service logs."""
    print(text, flush=True)
    return {"said": text}


def sleep(seconds):
    """Do nothing for a while."""
    time.sleep(min(float(seconds), 60.0))
    return {"slept_s": seconds}


def leave(code=0):
    """End the process at once, as a crash in native code would."""
    os._exit(int(code))


def fail(message="on purpose"):
    """Raise, as a bug would."""
    raise RuntimeError(message)


ACTIONS = {
    "whoami": probe_surroundings.whoami,
    "plant": probe_surroundings.plant,
    "forget": probe_surroundings.forget,
    "processes": probe_surroundings.processes,
    "read_memory": probe_reach.read_memory,
    "read_files": probe_reach.read_files,
    "signal": probe_reach.signal_process,
    "connect": probe_reach.connect,
    "write_root": probe_reach.write_root,
    "machine": probe_machine.machine,
    "clock": probe_kernel.clock,
    "devices": probe_kernel.devices,
    "calls": probe_kernel.calls,
    "allocate": probe_pressure.allocate,
    "crowd": probe_pressure.crowd,
    "fork_bomb": probe_hogs.fork_bomb,
    "fill_tmp": probe_hogs.fill_tmp,
    "hog_disk": probe_hogs.hog_disk,
    "flood": probe_hogs.flood,
    "spin": probe_pressure.spin,
    "work": probe_pressure.work,
    "say": say,
    "sleep": sleep,
    "exit": leave,
    "raise": fail,
}


def handler(event, context):
    """Run the action that the payload names; without one, say who this is."""
    arguments = dict(event or {})
    name = arguments.pop("action", "whoami")
    if name not in ACTIONS:
        raise ValueError(f"there is no action {name!r}; choose one of {', '.join(ACTIONS)}")
    if name == "whoami":
        arguments = {}
    return ACTIONS[name](**arguments)
