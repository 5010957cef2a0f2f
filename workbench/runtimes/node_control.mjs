// The inside's end of the control channel, in Node.js: marks go out, the owner's death comes in (see wb_control.py).

import fs from "node:fs";
import net from "node:net";

/** The control channel that was inherited; the service gets to know nothing of it. */
export function connect() {
  const descriptor = Number(process.env.WORKBENCH_CONTROL_FD);
  const watched = process.env.WORKBENCH_WATCHED; // then what comes in is for whoever watches the owner
  delete process.env.WORKBENCH_CONTROL_FD;
  delete process.env.WORKBENCH_WATCHED;
  if ((process.pid === 1 || process.platform !== "linux") && !watched) endWithOwner(descriptor);
  return descriptor;
}

/** Write one mark: now on the monotonic clock, with an `error` {errorType, errorMessage, stackTrace} if there is one. */
export function mark(control, name, error) {
  // hrtime is CLOCK_MONOTONIC on Linux, the clock that whoever launched this reads.
  const reported = error ? `, "error": ${JSON.stringify(error)}` : "";
  writeAll(control, `{"mark": "${name}", "at_ns": ${process.hrtime.bigint()}${reported}}\n`);
}

/** Write `text` to a descriptor before anything else happens. */
export function writeAll(descriptor, text) {
  let left = Buffer.from(text);
  while (left.length) {
    try {
      left = left.subarray(fs.writeSync(descriptor, left));
    } catch (error) {
      if (error.code !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1); // whoever reads it is behind
    }
  }
}

// Elsewhere the kernel was told to send SIGKILL, which the first process of a namespace would ignore.
function endWithOwner(descriptor) {
  const channel = new net.Socket({ fd: descriptor, readable: true, writable: false });
  channel.on("error", () => process.exit(137));
  channel.on("end", () => process.exit(137));
  channel.resume();
  channel.unref();
}
