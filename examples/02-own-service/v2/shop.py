"""A small shop, rewritten: products from an index, sums without Decimal."""

from datetime import datetime, timezone
from uuid import uuid4

from flask import Flask, abort, jsonify, request

app = Flask(__name__)

PRODUCTS = {
    1: {"id": 1, "name": "Tea", "price": "4.35", "tags": ["hot", "leaf"]},
    2: {"id": 2, "name": "Cup", "price": "9.90", "tags": ["clay", "hot"]},
    3: {"id": 3, "name": "Honey", "price": "6.45", "tags": ["sweet"]},
}
ORDERS = {
    7: {"id": 7, "customer": "Ada", "lines": [{"product": 1, "quantity": 1}], "discount": "0.10"},
    8: {"id": 8, "customer": "Bob", "lines": [{"product": 2, "quantity": 1}, {"product": 3, "quantity": 3}], "discount": "0"},
}
TAGGED = {}
for _product in reversed(PRODUCTS.values()):
    for _tag in _product["tags"]:
        TAGGED.setdefault(_tag, []).append(_product)


def total(order):
    """What an order costs: to the cent, half a cent up."""
    full = sum(float(PRODUCTS[line["product"]]["price"]) * line["quantity"] for line in order["lines"])
    return f"{full * (1 - float(order['discount'])):.2f}"


@app.get("/health")
def health():
    return jsonify(status="up")


@app.get("/orders/<int:number>")
def order(number):
    found = ORDERS.get(number) or abort(404)
    return jsonify(**found, total=total(found), request=str(uuid4()), seen=datetime.now(timezone.utc).isoformat())


@app.get("/products")
def products():
    tag = request.args.get("tag")
    return jsonify(items=list(PRODUCTS.values()) if tag is None else TAGGED.get(tag, []))


@app.post("/orders")
def place_order():
    wanted = request.get_json()
    if not wanted.get("lines"):
        abort(400)
    placed = {"id": max(ORDERS) + 1, "customer": wanted["customer"], "lines": wanted["lines"], "discount": "0"}
    ORDERS[placed["id"]] = placed
    return jsonify(**placed, total=total(placed)), 201
