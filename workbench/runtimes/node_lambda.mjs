// Entry of a serverless instance in Node.js: takes one invocation after the other from the Lambda Runtime API.
//
// What AWS's own Node.js runtime does, without its code: the AWS SDK for JavaScript is not bundled (see nodejs.py).

import { RuntimeApi } from "./node_api.mjs";
import * as log from "./node_console.mjs";
import { connect, mark } from "./node_control.mjs";
import * as service from "./node_service.mjs";
import * as streaming from "./node_streaming.mjs";

const UNHANDLED_REJECTION = 128;
const UNCAUGHT_EXCEPTION = 129;

const api = new RuntimeApi(process.env.AWS_LAMBDA_RUNTIME_API);
let running = null; // the invocation: { id, stream }

async function main() {
  const control = connect();
  log.install();
  streaming.install();
  process.on("uncaughtException", (error) => end("Uncaught Exception", error, UNCAUGHT_EXCEPTION));
  process.on("unhandledRejection", (reason, promise) => {
    const error = new service.RuntimeFailure("Runtime.UnhandledPromiseRejection", String(reason), reason);
    end("Unhandled Promise Rejection", Object.assign(error, { reason, promise }), UNHANDLED_REJECTION);
  });
  mark(control, "runtime_ready");
  let handler;
  try {
    handler = await service.load(process.env.LAMBDA_TASK_ROOT, process.env._HANDLER);
  } catch (error) {
    await end("Uncaught Exception", error, 1);
  }
  for (;;) await serve(handler, await api.next());
}

/** Report what went wrong, in the log and through the Runtime API, and end this instance. */
async function end(what, error, status) {
  log.report(what, error);
  try {
    await fail(error);
  } finally {
    process.exit(status);
  }
}

/** Say that the invocation failed, behind what was streamed of its response already. */
async function fail(error) {
  if (running?.stream?.begun) await running.stream.fail(error);
  else await api.fail(running?.id, error);
}

async function serve(handler, work) {
  running = { id: work.id, stream: null };
  log.setRequest(work.id);
  const trace = work.header("trace-id");
  if (trace) process.env._X_AMZN_TRACE_ID = trace;
  else delete process.env._X_AMZN_TRACE_ID;
  const deadline = Number(work.header("deadline-ms"));
  try {
    const context = service.context(work.id, () => deadline - Date.now(), {
      invokedFunctionArn: work.header("invoked-function-arn"),
      clientContext: parsed(work.header("client-context")),
      identity: parsed(work.header("cognito-identity")),
    });
    const event = JSON.parse(work.event);
    if (handler[service.STREAMING]) await stream(handler, event, context);
    else await api.respond(work.id, service.dumps(await result(handler, event, context)));
  } catch (error) {
    log.report("Invoke Error", error);
    await fail(error);
  }
  running = null;
}

/**
 * The handler's result. When there is nothing left that could bring one, it is null; and an answer by callback is given
 * only then, unless `context.callbackWaitsForEmptyEventLoop` is false.
 */
function result(handler, event, context) {
  return new Promise((resolve, reject) => {
    let settle = () => resolve(null);
    let byCallback = false;
    const emptied = () => settle();
    const settled = (action) => {
      settle = () => {
        process.off("beforeExit", emptied);
        action();
      };
      if (!byCallback || !context.callbackWaitsForEmptyEventLoop) settle();
    };
    process.once("beforeExit", emptied);
    const answered = () => (byCallback = true);
    service.call(handler, event, context, answered).then(
      (value) => settled(() => resolve(value)),
      (error) => settled(() => reject(error)),
    );
  });
}

async function stream(handler, event, context) {
  const response = new streaming.ResponseStream((...how) => api.stream(context.awsRequestId, ...how));
  running.stream = response;
  const emptied = () => response.end(); // nothing is left that could
  process.once("beforeExit", emptied);
  try {
    await streaming.run(handler, event, response, context);
  } finally {
    process.off("beforeExit", emptied);
  }
}

function parsed(text) {
  return text ? JSON.parse(text) : undefined;
}

main().catch((error) => end("Uncaught Exception", error, 1));
