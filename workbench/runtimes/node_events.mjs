// HTTP to and from a handler, as API Gateway's HTTP API does it (payload format version 2.0); see wb_events.py.

import { randomUUID } from "node:crypto";

import { dumps } from "./node_service.mjs";

const TEXT = /^(text\/|application\/(.*\+)?(json|xml|javascript)\b)/;
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const OURS = ["content-length", "transfer-encoding", "connection"];

/** The event that API Gateway would make of a request whose body is there. */
export function event(request, target, body) {
  const headers = {};
  for (const [name, values] of Object.entries(request.headersDistinct)) headers[name] = values.join(",");
  const cookies = (headers.cookie ?? "").split(";").map((cookie) => cookie.trim()).filter(Boolean);
  delete headers.cookie;
  const mark = target.indexOf("?");
  const query = mark < 0 ? "" : target.slice(mark + 1);
  const path = unquoted(mark < 0 ? target : target.slice(0, mark));
  const host = headers.host ?? "localhost";
  const now = Date.now();
  const [text, encoded] = asText(body, headers["content-type"] ?? "");
  return {
    version: "2.0",
    routeKey: "$default",
    rawPath: path,
    rawQueryString: query,
    ...(cookies.length && { cookies }),
    headers,
    ...(query && { queryStringParameters: parameters(query) }),
    requestContext: {
      accountId: "000000000000",
      apiId: "local",
      domainName: host,
      domainPrefix: host.split(".")[0],
      http: {
        method: request.method,
        path,
        protocol: "HTTP/1.1",
        sourceIp: request.socket.remoteAddress ?? "",
        userAgent: headers["user-agent"] ?? "",
      },
      requestId: randomUUID().replaceAll("-", ""),
      routeKey: "$default",
      stage: "$default",
      time: clfTime(new Date(now)),
      timeEpoch: now,
    },
    ...(text && { body: text }),
    isBase64Encoded: encoded,
  };
}

/** { status, headers, body } of a handler's result; throws where it is malformed. */
export function response(result) {
  if (typeof result !== "object" || result === null || Array.isArray(result) || !("statusCode" in result)) {
    const body = typeof result === "string" ? result : dumps(result);
    return { status: 200, headers: [["Content-Type", "application/json"]], body: Buffer.from(body) };
  }
  const { status, headers } = head(result);
  const text = result.body || "";
  if (typeof text !== "string") throw new TypeError(`the body of a response is a string, not ${typeof text}`);
  if (result.isBase64Encoded && !BASE64.test(text)) throw new TypeError("the body of the response is not base64");
  if (!headers.some(([name]) => name.toLowerCase() === "content-type")) {
    headers.push(["Content-Type", "text/plain;charset=UTF-8"]);
  }
  return { status, headers, body: Buffer.from(text, result.isBase64Encoded ? "base64" : "utf8") };
}

/** { status, headers } of what a handler says of its response; throws where it is malformed. */
export function head({ statusCode = 200, headers: given, cookies }) {
  const status = Number(statusCode);
  if (statusCode === null || !Number.isInteger(status) || status < 200 || status > 599) {
    throw new RangeError(`statusCode ${statusCode} is not from 200 to 599`);
  }
  if ((given && (typeof given !== "object" || Array.isArray(given))) || (cookies && !Array.isArray(cookies))) {
    throw new TypeError("the headers of a response are an object, its cookies an array");
  }
  const named = [...Object.entries(given ?? {}), ...(cookies ?? []).map((cookie) => ["Set-Cookie", cookie])];
  return { status, headers: named.map(header).filter(([name]) => !OURS.includes(name.toLowerCase())) };
}

function header([name, value]) {
  const text = String(value);
  if (!TOKEN.test(name)) throw new TypeError(`${JSON.stringify(name)} is not a header name`);
  if (/[^\t\x20-\x7e\x80-\xff]/.test(text)) throw new TypeError(`header ${name} has a character that no header may have`);
  return [name, text];
}

function asText(body, contentType) {
  if (!contentType || TEXT.test(contentType.toLowerCase())) {
    try {
      return [new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(body), false];
    } catch {
      // not text after all
    }
  }
  return [body.toString("base64"), true];
}

function parameters(query) {
  const found = {};
  for (const [name, value] of new URLSearchParams(query)) {
    found[name] = Object.hasOwn(found, name) ? `${found[name]},${value}` : value;
  }
  return found;
}

function unquoted(path) {
  const bytes = path.replace(/%([0-9A-Fa-f]{2})/g, (_, digits) => String.fromCharCode(parseInt(digits, 16)));
  return Buffer.from(bytes, "latin1").toString();
}

function clfTime(time) {
  const two = (number) => String(number).padStart(2, "0");
  const day = `${two(time.getUTCDate())}/${MONTHS[time.getUTCMonth()]}/${time.getUTCFullYear()}`;
  return `${day}:${two(time.getUTCHours())}:${two(time.getUTCMinutes())}:${two(time.getUTCSeconds())} +0000`;
}
