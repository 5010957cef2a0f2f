/**
 * Order pricing: the sample `pricing` in Node.js, with the same routes, catalogue and answers.
 *
 * A Lambda-style handler that takes either a plain payload, `{"sku": "A1", "quantity": 3}`, or an HTTP request in API
 * Gateway's v2 form with two routes: `GET /catalogue` and `POST /price` (the plain payload as its body).
 *
 * Two things to notice when it is deployed:
 *
 * - The catalogue is loaded when the module is: once an instance, in its init phase, not once a request.
 * - `instance_calls` counts in memory, so it shows how many calls *this* instance has served, and nothing more.
 *
 * Money is counted in whole units of a BigInt, because a JavaScript number cannot hold most decimal fractions.
 */

import fs from "node:fs";

const SCALE = 10_000n; // units in one euro: prices have two places, discounts and tax two more
const DISCOUNTS = [[100, 15n], [10, 5n]]; // from this quantity on, this many per cent off
const TAX = 20n; // per cent

const CATALOGUE = loadCatalogue(new URL("catalogue.csv", import.meta.url));
let calls = 0;

/** Read article number → [name, unit price in cents] from the CSV beside this file. */
function loadCatalogue(file) {
  const [, ...rows] = fs.readFileSync(file, "utf8").trim().split(/\r?\n/);
  const found = new Map();
  for (const row of rows) {
    // A cell is quoted where it holds a comma.
    const [sku, name, unitPrice] = [...row.matchAll(/"([^"]*)"|([^,]+)/g)].map((cell) => cell[1] ?? cell[2]);
    found.set(sku, [name, BigInt(unitPrice.replace(".", ""))]);
  }
  return found;
}

/** The priced order; throws with what to correct. */
export function price(sku, quantity) {
  if (!CATALOGUE.has(sku)) throw new RangeError(`unknown sku ${JSON.stringify(sku)}; GET /catalogue lists them`);
  if (!Number.isInteger(quantity) || quantity < 1 || quantity > 10_000) {
    throw new RangeError(`quantity must be a whole number from 1 to 10000, not ${JSON.stringify(quantity)}`);
  }
  const [name, unitPrice] = CATALOGUE.get(sku);
  const discount = DISCOUNTS.find(([least]) => quantity >= least)?.[1] ?? 0n;
  const exact = unitPrice * BigInt(quantity) * (100n - discount) * (100n + TAX); // in ten-thousandths of a cent
  return {
    sku,
    name,
    quantity,
    unit_price: euros(unitPrice),
    discount: discount ? euros(discount) : "0",
    total: euros((exact + SCALE / 2n) / SCALE),
    currency: "EUR",
    instance_calls: calls,
  };
}

/** Answer a plain payload with a priced order, an HTTP request with an HTTP response. */
export async function handler(event) {
  calls += 1;
  if (!event?.requestContext) return price(event?.sku ?? "A1", event?.quantity ?? 1);
  return route(event);
}

/** The two HTTP routes. */
function route(event) {
  const { method } = event.requestContext.http;
  const path = event.rawPath ?? "/";
  if (method === "GET" && path === "/catalogue") {
    const articles = [...CATALOGUE].map(([sku, [name, unit]]) => ({ sku, name, unit_price: euros(unit) }));
    return respond(200, articles);
  }
  if (method === "POST" && path === "/price") {
    try {
      const order = JSON.parse(bodyOf(event));
      return respond(200, price(order.sku, order.quantity));
    } catch (error) {
      return respond(400, { error: error.message });
    }
  }
  return respond(404, { error: `no route for ${method} ${path}; there are GET /catalogue and POST /price` });
}

function bodyOf(event) {
  const body = event.body ?? "";
  return event.isBase64Encoded ? Buffer.from(body, "base64").toString() : body;
}

function respond(statusCode, content) {
  return { statusCode, headers: { "content-type": "application/json" }, body: JSON.stringify(content) };
}

/** Cents as text. */
function euros(cents) {
  return `${cents / 100n}.${String(cents % 100n).padStart(2, "0")}`;
}
