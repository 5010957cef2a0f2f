// Response streaming as AWS Lambda's Node.js runtime offers it: the global `awslambda`, and the stream a handler writes to.
// Facts: Lambda developer guide, "Response streaming" and "Building a custom runtime".

import { Writable } from "node:stream";

import { STREAMING, wire } from "./node_service.mjs";

const HTTP_RESPONSE = "application/vnd.awslambda.http-integration-response";
const PRELUDE_END = new Uint8Array(8);
const ERROR_TYPE = "Lambda-Runtime-Function-Error-Type";
const ERROR_BODY = "Lambda-Runtime-Function-Error-Body";

/** Make `awslambda` known to the service. */
export function install() {
  globalThis.awslambda = {
    streamifyResponse(handler, options) {
      handler[STREAMING] = "response";
      if (options?.highWaterMark) handler[Symbol.for("aws.lambda.runtime.handler.streaming.highWaterMark")] = options.highWaterMark;
      return handler;
    },
    HttpResponseStream: {
      /** `stream`, whose content is now preceded by `metadata`: { statusCode, headers, cookies }. */
      from(stream, metadata) {
        stream.precede(HTTP_RESPONSE, Buffer.concat([Buffer.from(JSON.stringify(metadata)), PRELUDE_END]));
        return stream;
      },
    },
  };
}

/** What a streaming handler writes to; `post(headers)` opens the request that carries it, at the first write or the end. */
export class ResponseStream extends Writable {
  #post;
  #type = "application/octet-stream";
  #prelude = null;
  #request = null;
  #accepted = null;

  constructor(post) {
    super();
    this.#post = post;
  }

  /** Whether anything has gone out: an error can now only follow what was sent. */
  get begun() {
    return this.#request !== null;
  }

  setContentType(type) {
    if (this.begun) throw new Error("The content type cannot be set after the first write.");
    this.#type = type;
  }

  precede(type, prelude) {
    this.setContentType(type);
    this.#prelude = prelude;
  }

  /** Anything that is neither text nor bytes goes out as JSON. */
  write(chunk, ...more) {
    const plain = typeof chunk === "string" || chunk instanceof Uint8Array;
    return super.write(plain || chunk === null || chunk === undefined ? chunk : JSON.stringify(chunk), ...more);
  }

  /** End what has begun with an error, in trailers behind it; resolves when it was taken. */
  async fail(error) {
    const failure = wire(error);
    this.#request.addTrailers({
      [ERROR_TYPE]: failure.errorType.replace(/[^\x20-\x7e]/g, "?"),
      [ERROR_BODY]: Buffer.from(JSON.stringify(failure)).toString("base64"),
    });
    this.#request.end();
    await this.#accepted;
  }

  _write(chunk, encoding, done) {
    this.#begin();
    this.#request.write(chunk, encoding, done);
  }

  _final(done) {
    this.#begin();
    this.#request.end();
    this.#accepted.then(() => done(), done);
  }

  #begin() {
    if (this.begun) return;
    const headers = {
      "Content-Type": this.#type,
      "Lambda-Runtime-Function-Response-Mode": "streaming",
      "Transfer-Encoding": "chunked",
      Trailer: `${ERROR_TYPE}, ${ERROR_BODY}`,
    };
    this.#request = this.#post(headers);
    this.#accepted = new Promise((resolve, reject) => {
      this.#request.on("error", reject);
      this.#request.on("response", (answer) => answer.resume().on("end", resolve).on("error", reject));
    });
    this.#accepted.catch((error) => this.destroy(error)); // whoever was to have the response has gone away
    if (this.#prelude) this.#request.write(this.#prelude);
  }
}
