// Entry of a container or VM-style instance in Node.js: an HTTP server of the same handler, many requests at a time.
// What it takes and answers is what http_host.py does (wb_http.py, wb_service.py).

import { randomUUID } from "node:crypto";
import http from "node:http";
import { finished } from "node:stream/promises";

import * as log from "./node_console.mjs";
import { connect, mark } from "./node_control.mjs";
import * as events from "./node_events.mjs";
import * as service from "./node_service.mjs";
import * as streaming from "./node_streaming.mjs";

const DIRECT = "/2015-03-31/functions/function/invocations";
const HEALTH = "/_workbench/health";
const MAX_BODY = 6 * 1024 * 1024; // bytes; AWS Lambda's limit of a synchronous invocation's payload (Lambda quotas)
const MAX_HEAD = 64 * 1024;
const IDLE_MS = 75_000;
const JSON_TYPE = ["Content-Type", "application/json"];
const REFUSALS = { HPE_HEADER_OVERFLOW: 431, HPE_INVALID_TRANSFER_ENCODING: 501, ERR_HTTP_REQUEST_TIMEOUT: 408 };
const TWO_LENGTHS = /can't be present/; // a transfer encoding beside a length is malformed, not just unknown here

const instance = process.env.WORKBENCH_INSTANCE ?? "";
const healthPath = (process.env.WORKBENCH_HEALTH_PATH ?? "").split("?")[0];
const timeoutMs = Number(process.env.WORKBENCH_TIMEOUT_S ?? 30) * 1000;
let fresh = true;
let stopping = false;

async function main() {
  const control = connect();
  const listener = Number(process.env.WORKBENCH_LISTEN_FD);
  delete process.env.WORKBENCH_LISTEN_FD;
  log.install();
  streaming.install();
  mark(control, "runtime_ready");
  let handler;
  try {
    handler = await service.load(process.env.LAMBDA_TASK_ROOT, process.env._HANDLER);
  } catch (error) {
    log.report("Uncaught Exception", error);
    const { errorType, errorMessage, trace } = service.wire(error);
    mark(control, "init_error", { errorType, errorMessage, stackTrace: trace });
    process.exit(1);
  }
  serve(handler, listener, () => mark(control, "function_ready"));
}

function serve(handler, listener, ready) {
  const options = { maxHeaderSize: MAX_HEAD, keepAliveTimeout: IDLE_MS, requireHostHeader: false };
  const server = http.createServer(options);
  server.on("request", (request, response) => answer(handler, request, response));
  server.on("checkContinue", (request, response) => {
    if (!refused(request, response)) response.writeContinue();
    if (!response.headersSent) answer(handler, request, response);
  });
  server.on("checkExpectation", (request, response) => {
    refuse(response, 417, "the only expectation met here is 100-continue");
  });
  server.on("clientError", (error, socket) => {
    if (!socket.writable || error.code === "ECONNRESET") return socket.destroy();
    const body = JSON.stringify({ message: `the request is malformed: ${error.reason ?? error.code}` });
    const status = TWO_LENGTHS.test(error.reason) ? 400 : (REFUSALS[error.code] ?? 400);
    const head = `HTTP/1.1 ${status} ${http.STATUS_CODES[status]}\r\nContent-Type: application/json\r\n`;
    socket.end(`${head}Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`);
  });
  process.on("SIGTERM", () => {
    stopping = true;
    server.close(() => process.exit(0)); // when what had begun is answered
    server.closeIdleConnections();
  });
  server.listen({ fd: listener }, ready);
}

async function answer(handler, request, response) {
  try {
    if (refused(request, response)) return;
    const body = await bodyOf(request);
    if (body === null) return refuse(response, 413, `the body is larger than ${MAX_BODY} bytes`);
    // The absolute form, as sent to a proxy, has the host before the path.
    const target = request.url.startsWith("/") ? request.url : request.url.replace(/^[^:]*:\/\/[^/]*\/?/, "/");
    const path = target.split("?")[0];
    if (path === HEALTH) return send(response, 200, [JSON_TYPE, ["X-Workbench-Instance", instance]], '{"status":"ok"}');
    const id = randomUUID();
    await log.current.run({ id }, () => {
      if (path === DIRECT && request.method === "POST") return direct(handler, response, body, id);
      const asksForHealth = request.method === "GET" && path === healthPath;
      return viaHttp(handler, response, events.event(request, target, body), id, !asksForHealth);
    });
  } catch (error) {
    if (!request.destroyed && !response.headersSent) {
      send(response, 500, [JSON_TYPE], '{"message":"Internal Server Error"}');
    } else {
      response.destroy();
    }
    if (!request.readableAborted) log.report("Uncaught Exception", error);
  }
}

async function direct(handler, response, body, id) {
  let event;
  try {
    event = body.length ? JSON.parse(body) : {};
  } catch (error) {
    const message = JSON.stringify({ Type: "User", message: `Could not parse request body into json: ${error.message}` });
    return send(response, 400, [JSON_TYPE, ["X-Amzn-ErrorType", "InvalidRequestContentException"]], message);
  }
  const outcome = await called(handler, event, response, id, service.dumps);
  if (!outcome) return;
  const { made, failure, headers } = outcome;
  if (!failure) return send(response, 200, [JSON_TYPE, ...headers], made);
  send(response, 200, [JSON_TYPE, ...headers, ["X-Amz-Function-Error", "Unhandled"]], JSON.stringify(failure));
}

async function viaHttp(handler, response, event, id, counts) {
  const outcome = await called(handler, event, response, id, events.response, counts);
  if (!outcome) return;
  const { made, failure, headers } = outcome;
  if (!failure) return send(response, made.status, [...made.headers, ...headers], made.body);
  headers.push(["X-Amz-Function-Error", "Unhandled"]);
  send(response, 502, [JSON_TYPE, ...headers], '{"message":"Internal Server Error"}');
}

/** What `make` makes of the handler's result, or its failure, and the headers that tell of it; null when it streamed. */
async function called(handler, event, response, id, make, counts = true) {
  const started = process.hrtime.bigint();
  const deadline = Date.now() + timeoutMs;
  const context = service.context(id, () => Math.max(0, deadline - Date.now()));
  const headers = [["X-Workbench-Instance", instance], ["X-Amzn-RequestId", id]];
  const cold = fresh && counts; // a question for its health is not what a cold start waits for
  if (counts) fresh = false;
  if (cold) headers.push(["X-Workbench-Cold", "1"]);
  let made;
  let failure = null;
  try {
    if (handler[service.STREAMING]) {
      await stream(handler, event, context, response, headers);
      return null;
    }
    made = make(await service.call(handler, event, context));
  } catch (error) {
    log.report("Invoke Error", error);
    if (response.headersSent) {
      response.destroy(); // it has its status: all that can still tell of an error is the lack of a proper end
      return null;
    }
    failure = { ...service.wire(error), requestId: id };
  }
  headers.push(["X-Workbench-Handler-Ms", (Number(process.hrtime.bigint() - started) / 1e6).toFixed(3)]);
  return { made, failure, headers };
}

function stream(handler, event, context, response, headers) {
  const begin = (type, metadata) => {
    const head = metadata ? events.head(metadata) : { status: 200, headers: [["Content-Type", type]] };
    write(response, head.status, [...head.headers, ...headers]);
    return { sink: response, taken: finished(response) };
  };
  return streaming.run(handler, event, new streaming.ResponseStream(begin), context);
}

/** The body, or null for one that is too large; what is left of that is still to be read. */
function bodyOf(request) {
  const parts = [];
  let size = 0;
  return new Promise((resolve, reject) => {
    request.on("data", (part) => {
      size += part.length;
      if (size > MAX_BODY) resolve(null);
      else parts.push(part);
    });
    request.on("end", () => resolve(Buffer.concat(parts)));
    request.on("error", reject);
  });
}

/** Whether the request was answered with what is wrong in its head. */
function refused(request, response) {
  const hosts = request.headersDistinct.host?.length ?? 0;
  if (!["1.0", "1.1"].includes(request.httpVersion)) {
    refuse(response, 400, "the request line is malformed");
  } else if (request.httpVersion === "1.1" && hosts !== 1) {
    refuse(response, 400, "a request needs one Host header");
  } else if (Number(request.headers["content-length"] ?? 0) > MAX_BODY) {
    refuse(response, 413, `the body is larger than ${MAX_BODY} bytes`);
  }
  return response.headersSent;
}

/** Answer what could not be taken, and read on a little so that the client gets to see it. */
function refuse(response, status, message) {
  const body = JSON.stringify({ message });
  write(response, status, [JSON_TYPE, ["Connection", "close"], ["Content-Length", Buffer.byteLength(body)]]);
  response.write(body);
  const done = () => response.end();
  setTimeout(done, 1000).unref();
  let left = 2 * MAX_BODY;
  response.req.on("end", done).on("data", (part) => (left -= part.length) < 0 && done());
}

function send(response, status, headers, body) {
  const length = status === 204 || status === 304 ? [] : [["Content-Length", Buffer.byteLength(body)]];
  write(response, status, [...headers, ...length]);
  response.end(body);
}

function write(response, status, headers) {
  for (const [name, value] of headers) response.appendHeader(name, value);
  if (stopping) response.setHeader("Connection", "close");
  response.writeHead(status);
}

main();
