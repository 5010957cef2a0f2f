// Lines of log as AWS Lambda's Node.js runtime prints them: time, request, level and message with tabs between.

import { AsyncLocalStorage } from "node:async_hooks";
import util from "node:util";

import { writeAll } from "./node_control.mjs";

/** The request that what runs now belongs to: `{ id }`. Concurrent ones keep theirs apart. */
export const current = new AsyncLocalStorage();

const LEVELS = { log: "INFO", info: "INFO", warn: "WARN", error: "ERROR", debug: "DEBUG", trace: "TRACE" };
let request; // of a runtime with one request at a time

/** Let lines be of the request `id` where `current` knows none. */
export function setRequest(id) {
  request = id;
}

/** Replace the console's own methods. */
export function install() {
  for (const [method, level] of Object.entries(LEVELS)) {
    console[method] = (...values) => {
      const trace = method === "trace" ? `\n${new Error().stack.split("\n").slice(2).join("\n")}` : "";
      print(level, util.format(...values) + trace);
    };
  }
}

/** Report an error the way AWS does: what happened, and the error as JSON. */
export function report(what, error) {
  print("ERROR", `${what} \t${JSON.stringify(shown(error))}`);
}

/** An error with its name, message, stack and what else was put on it, as JSON values. */
function shown(error) {
  if (!util.types.isNativeError(error)) return { errorType: typeof error, errorMessage: String(error), stack: [] };
  const own = {};
  for (const [name, value] of Object.entries(error).filter(([name]) => name !== "name")) {
    own[name] = util.types.isNativeError(value) ? shown(value) : plain(value);
  }
  return { errorType: error.name, errorMessage: error.message, ...own, stack: String(error.stack).split("\n") };
}

function plain(value) {
  try {
    return JSON.parse(JSON.stringify(value) ?? "null");
  } catch {
    return util.inspect(value);
  }
}

function print(level, message) {
  const id = current.getStore()?.id ?? request;
  writeAll(1, `${new Date().toISOString()}\t${id}\t${level}\t${message}\n`);
}
