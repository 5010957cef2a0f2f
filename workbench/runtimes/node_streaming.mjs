// Response streaming as AWS Lambda's Node.js runtime offers it: the global `awslambda`, and the stream a handler writes to.
// Facts: Lambda developer guide, "Response streaming" and "Building a custom runtime".

import { Writable } from "node:stream";

import { STREAMING } from "./node_service.mjs";

/** Make `awslambda` known to the service. */
export function install() {
  globalThis.awslambda = {
    streamifyResponse(handler) {
      handler[STREAMING] = "response";
      return handler;
    },
    HttpResponseStream: {
      /** `stream`, as the body of an HTTP response of `metadata`: { statusCode, headers, cookies }. */
      from(stream, metadata) {
        stream.describe(metadata);
        return stream;
      },
    },
  };
}

/**
 * What a streaming handler writes to. At the first write, or the end, it calls `begin(contentType, metadata)`, which
 * returns what carries the response: a writable `sink`, a promise of its having been `taken`, and `fail(error)`.
 */
export class ResponseStream extends Writable {
  #begin;
  #type = "application/octet-stream";
  #metadata = null;
  #carrier = null;

  constructor(begin) {
    super();
    this.#begin = begin;
  }

  /** Whether anything has gone out: an error can now only follow what was sent. */
  get begun() {
    return this.#carrier !== null;
  }

  setContentType(type) {
    if (this.begun) throw new Error("The content type cannot be set after the first write.");
    this.#type = type;
  }

  describe(metadata) {
    if (this.begun) throw new Error("The metadata cannot be set after the first write.");
    this.#metadata = metadata;
  }

  /** Anything that is neither text nor bytes goes out as JSON. */
  write(chunk, ...more) {
    const plain = typeof chunk === "string" || chunk instanceof Uint8Array || chunk === null || chunk === undefined;
    return super.write(plain ? chunk : JSON.stringify(chunk), ...more);
  }

  /** End what has begun with an error; resolves when that was taken. */
  async fail(error) {
    await this.#carrier.fail(error);
  }

  _write(chunk, encoding, done) {
    try {
      this.#start().sink.write(chunk, encoding, done);
    } catch (error) {
      done(error);
    }
  }

  _final(done) {
    try {
      const { sink, taken } = this.#start();
      sink.end();
      taken.then(() => done(), done);
    } catch (error) {
      done(error);
    }
  }

  #start() {
    if (!this.begun) {
      this.#carrier = this.#begin(this.#type, this.#metadata);
      this.#carrier.taken.catch((error) => this.destroy(error)); // whoever was to have the response has gone away
    }
    return this.#carrier;
  }
}

/** Have `handler` write to `stream`; rejects with its error, or the stream's. */
export async function run(handler, event, stream, context) {
  const ended = new Promise((resolve, reject) => {
    stream.once("finish", resolve);
    stream.once("error", reject);
    stream.once("close", () => (stream.writableFinished ? resolve() : reject(new Error("The stream was destroyed."))));
  });
  ended.catch(() => {});
  const returned = handler(event, stream, context);
  if (typeof returned?.then !== "function") throw new Error("Streaming does not support non-async handlers.");
  await returned;
  await ended;
}
