// The client of the Lambda Runtime API (version 2018-06-01): one kept connection, and no time limit for `next`.

import http from "node:http";

import { wire } from "./node_service.mjs";

const BASE = "/2018-06-01/runtime/";
const ERROR_TYPE = "Lambda-Runtime-Function-Error-Type";
const ERROR_BODY = "Lambda-Runtime-Function-Error-Body";
const HTTP_RESPONSE = "application/vnd.awslambda.http-integration-response";
const PRELUDE_END = new Uint8Array(8); // between the metadata of an HTTP response and its body

export class RuntimeApi {
  #agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  #host;
  #port;

  constructor(address) {
    const colon = address.lastIndexOf(":");
    this.#host = address.slice(0, colon);
    this.#port = Number(address.slice(colon + 1));
  }

  /** Wait for the next invocation: its `id`, `event` as text, and the header of a name, as text. */
  async next() {
    const { status, headers, body } = await this.#exchange("GET", "invocation/next", {}, undefined);
    if (status !== 200) throw new Error(`The Runtime API answered ${status}: ${body}`);
    const header = (name) => {
      const value = headers[`lambda-runtime-${name}`];
      return value && Buffer.from(value, "latin1").toString(); // its bytes are UTF-8
    };
    return { id: header("aws-request-id"), event: body, header };
  }

  /** Give the result of an invocation, as JSON text. */
  async respond(id, text) {
    await this.#exchange("POST", `invocation/${id}/response`, { "Content-Type": "application/json" }, text);
  }

  /** Begin the streamed result of an invocation: what `ResponseStream` asks for. */
  stream(id, contentType, metadata) {
    const request = this.#request("POST", `invocation/${id}/response`, {
      "Content-Type": metadata ? HTTP_RESPONSE : contentType,
      "Lambda-Runtime-Function-Response-Mode": "streaming",
      "Transfer-Encoding": "chunked",
      Trailer: `${ERROR_TYPE}, ${ERROR_BODY}`,
    });
    const taken = new Promise((resolve, reject) => {
      request.on("error", reject);
      request.on("response", (answer) => answer.resume().on("end", resolve).on("error", reject));
    });
    if (metadata) request.write(Buffer.concat([Buffer.from(JSON.stringify(metadata)), PRELUDE_END]));
    const fail = async (error) => {
      const failure = wire(error);
      const body = Buffer.from(JSON.stringify(failure)).toString("base64");
      request.addTrailers({ [ERROR_TYPE]: printable(failure.errorType), [ERROR_BODY]: body });
      request.end();
      await taken;
    };
    return { sink: request, taken, fail };
  }

  /** Say that an invocation failed, or the service could not be loaded where there is no `id`. */
  async fail(id, error) {
    const failure = wire(error);
    const headers = {
      "Content-Type": "application/vnd.aws.lambda.error+json",
      [ERROR_TYPE]: printable(failure.errorType),
    };
    await this.#exchange("POST", id ? `invocation/${id}/error` : "init/error", headers, JSON.stringify(failure));
  }

  #request(method, path, headers) {
    return http.request({ agent: this.#agent, host: this.#host, port: this.#port, method, path: BASE + path, headers });
  }

  #exchange(method, path, headers, body) {
    return new Promise((resolve, reject) => {
      const request = this.#request(method, path, headers);
      request.on("error", reject);
      request.on("response", (answer) => {
        const parts = [];
        answer.on("data", (part) => parts.push(part));
        answer.on("error", reject);
        answer.on("end", () => {
          resolve({ status: answer.statusCode, headers: answer.headers, body: Buffer.concat(parts).toString() });
        });
      });
      request.end(body);
    });
  }
}

// A header holds no other characters.
function printable(text) {
  return text.replace(/[^\x20-\x7e]/g, "?");
}
