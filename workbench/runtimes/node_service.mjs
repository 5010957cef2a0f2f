// The service inside an instance: its handler found and loaded, and called in each of the styles that AWS Lambda takes.

import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";
import util from "node:util";

/** A symbol on a handler that streams its response; AWS's own, so that wrappers of handlers know it. */
export const STREAMING = Symbol.for("aws.lambda.runtime.handler.streaming");

/** An error of the runtime itself, with one of the names that AWS's documentation gives them. */
export class RuntimeFailure extends Error {
  constructor(name, message, cause) {
    super(message);
    this.name = name;
    if (cause?.stack) this.stack = `${name}: ${cause.stack}`;
  }
}

/** Load `[directory/]file.name[.name...]` from `root`; rejects with the error that AWS Lambda would report. */
export async function load(root, handler) {
  const folder = path.dirname(handler);
  const [file, ...names] = path.basename(handler).split(".");
  if (!file || !names.length || names.includes("") || handler.split("/").includes("..")) {
    throw new RuntimeFailure("Runtime.MalformedHandlerName", `Bad handler ${handler}: write it as file.function`);
  }
  const exported = await loadModule(root, path.join(folder, file));
  let found = exported;
  let owner;
  for (const name of names) [owner, found] = [found, found?.[name]];
  if (found === undefined) {
    throw new RuntimeFailure("Runtime.HandlerNotFound", `${handler} is undefined or not exported`);
  }
  if (typeof found !== "function") throw new RuntimeFailure("Runtime.HandlerNotFound", `${handler} is not a function`);
  if (owner === exported) return found;
  return found[STREAMING] ? Object.assign(found.bind(owner), { [STREAMING]: found[STREAMING] }) : found.bind(owner);
}

async function loadModule(root, name) {
  const wanted = path.resolve(root, name);
  const file = [".js", ".mjs", ".cjs"].map((suffix) => wanted + suffix).find((candidate) => fs.existsSync(candidate));
  const require = createRequire(path.join(root, "."));
  try {
    if (file?.endsWith(".mjs")) return await import(pathToFileURL(file));
    try {
      // What is no file of the package may be a module of a layer, as instrumentation is.
      return require(file ?? (fs.existsSync(wanted) ? wanted : require.resolve(name.replace(/^\.\//, ""), { paths: [root] })));
    } catch (error) {
      if (!file || !["ERR_REQUIRE_ESM", "ERR_REQUIRE_ASYNC_MODULE"].includes(error?.code)) throw error;
      return await import(pathToFileURL(file));
    }
  } catch (error) {
    if (["MODULE_NOT_FOUND", "ERR_MODULE_NOT_FOUND"].includes(error?.code)) {
      throw new RuntimeFailure("Runtime.ImportModuleError", `Error: ${error.message}`, error);
    }
    if (error instanceof SyntaxError) {
      throw new RuntimeFailure("Runtime.UserCodeSyntaxError", `SyntaxError: ${error.message}`, error);
    }
    throw error;
  }
}

/**
 * The promise of a handler's result, whether it returns a promise, takes a callback or calls `context.done`.
 * `answered` is called when it answered by callback, which is what callbackWaitsForEmptyEventLoop is about.
 */
export function call(handler, event, context, answered = () => {}) {
  return new Promise((resolve, reject) => {
    const callback = (error, result) => {
      answered();
      if (error === null || error === undefined) resolve(result);
      else reject(error);
    };
    context.done = callback;
    context.succeed = (result) => callback(null, result);
    context.fail = (error) => callback(error ?? new Error("handled"));
    const returned = handler(event, context, callback);
    if (typeof returned?.then === "function") returned.then(resolve, reject);
  });
}

/** What a handler gets as its second argument, with the names that Lambda's has. */
export function context(request, remaining, more = {}) {
  const name = process.env.AWS_LAMBDA_FUNCTION_NAME ?? "function";
  const region = process.env.AWS_REGION ?? "us-east-1";
  return {
    callbackWaitsForEmptyEventLoop: true,
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION ?? "$LATEST",
    functionName: name,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE ?? "128",
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME ?? `/aws/lambda/${name}`,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME ?? "",
    clientContext: undefined,
    identity: undefined,
    invokedFunctionArn: `arn:aws:lambda:${region}:000000000000:function:${name}`,
    awsRequestId: request,
    getRemainingTimeInMillis: remaining,
    ...more,
  };
}

/** An error as it goes over the wire: `errorType`, `errorMessage` and the stack in lines as `trace`. */
export function wire(error) {
  if (!util.types.isNativeError(error)) return { errorType: typeof error, errorMessage: String(error), trace: [] };
  return {
    errorType: String(error.name),
    errorMessage: String(error.message),
    trace: String(error.stack).split("\n"),
  };
}

/** A result as JSON text; throws the error that AWS Lambda reports where there is none. */
export function dumps(result) {
  try {
    return JSON.stringify(result) ?? "null";
  } catch {
    throw new Error("Unable to stringify response body");
  }
}
