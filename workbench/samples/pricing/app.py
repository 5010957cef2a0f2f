"""Order pricing: what a unit price becomes with quantity discounts and tax.

A Lambda-style handler that takes either a plain payload, `{"sku": "A1", "quantity": 3}`, or an HTTP request in API
Gateway's v2 form with two routes: `GET /catalogue` and `POST /price` (the plain payload as its body).

Two things to notice when it is deployed:

- The catalogue is loaded when the module is imported: once an instance, in its init phase, not once a request.
- `instance_calls` counts in memory. With one long-running instance it grows without end; with several, or with
  instances that come and go, it shows how many calls *this* instance has served, and nothing more.
"""

import base64
import csv
import json
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

CATALOGUE_FILE = Path(__file__).with_name("catalogue.csv")
DISCOUNTS = ((100, Decimal("0.15")), (10, Decimal("0.05")))  # from this quantity on, this share off
TAX = Decimal("0.20")
CENT = Decimal("0.01")


def load_catalogue(path):
    """Read article number → (name, unit price) from the CSV beside this file."""
    with path.open(newline="", encoding="utf-8") as file:
        return {row["sku"]: (row["name"], Decimal(row["unit_price"])) for row in csv.DictReader(file)}


CATALOGUE = load_catalogue(CATALOGUE_FILE)
calls = 0


def price(sku, quantity):
    """The priced order; raises ValueError with what to correct."""
    if sku not in CATALOGUE:
        raise ValueError(f"unknown sku {sku!r}; GET /catalogue lists them")
    if isinstance(quantity, bool) or not isinstance(quantity, int) or not 1 <= quantity <= 10_000:
        raise ValueError(f"quantity must be a whole number from 1 to 10000, not {quantity!r}")
    name, unit_price = CATALOGUE[sku]
    discount = next((share for least, share in DISCOUNTS if quantity >= least), Decimal(0))
    net = unit_price * quantity * (1 - discount)
    total = (net * (1 + TAX)).quantize(CENT, ROUND_HALF_UP)
    return {
        "sku": sku,
        "name": name,
        "quantity": quantity,
        "unit_price": str(unit_price),
        "discount": str(discount),
        "total": str(total),
        "currency": "EUR",
        "instance_calls": calls,
    }


def handler(event, context):
    """Answer a plain payload with a priced order, an HTTP request with an HTTP response."""
    global calls
    calls += 1
    event = event or {}
    if "requestContext" not in event:
        return price(event.get("sku", "A1"), event.get("quantity", 1))
    return route(event)


def route(event):
    """The two HTTP routes."""
    method = event["requestContext"]["http"]["method"]
    path = event.get("rawPath", "/")
    if (method, path) == ("GET", "/catalogue"):
        articles = [{"sku": s, "name": n, "unit_price": str(p)} for s, (n, p) in CATALOGUE.items()]
        return respond(200, articles)
    if (method, path) == ("POST", "/price"):
        try:
            order = json.loads(body_of(event))
            return respond(200, price(order.get("sku"), order.get("quantity")))
        except (ValueError, AttributeError) as error:
            return respond(400, {"error": str(error)})
    return respond(404, {"error": f"no route for {method} {path}; there are GET /catalogue and POST /price"})


def body_of(event):
    """The request's body as text."""
    body = event.get("body") or ""
    return base64.b64decode(body).decode() if event.get("isBase64Encoded") else body


def respond(status, content):
    """An API Gateway v2 response."""
    return {"statusCode": status, "headers": {"content-type": "application/json"}, "body": json.dumps(content)}
