// The client of the Lambda Runtime API (version 2018-06-01): one kept connection, and no time limit for `next`.

import http from "node:http";

import { wire } from "./node_service.mjs";

const BASE = "/2018-06-01/runtime/";

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
    const header = (name) => headers[`lambda-runtime-${name}`] && Buffer.from(headers[`lambda-runtime-${name}`], "latin1").toString();
    return { id: header("aws-request-id"), event: body, header };
  }

  /** Give the result of an invocation, as JSON text. */
  async respond(id, text) {
    await this.#exchange("POST", `invocation/${id}/response`, { "Content-Type": "application/json" }, text);
  }

  /** The open request of a streamed result. */
  stream(id, headers) {
    return this.#request("POST", `invocation/${id}/response`, headers);
  }

  /** Say that an invocation failed, or the service could not be loaded where there is no `id`. */
  async fail(id, error) {
    const failure = wire(error);
    const headers = {
      "Content-Type": "application/vnd.aws.lambda.error+json",
      "Lambda-Runtime-Function-Error-Type": failure.errorType.replace(/[^\x20-\x7e]/g, "?"),
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
