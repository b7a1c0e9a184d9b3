import pytest


@pytest.mark.parametrize("number", [7, 8])
def test_an_order_says_what_it_costs(shadow, number):
    order = shadow.get(f"/orders/{number}").json()
    assert float(order["total"]) > 0
    assert order["customer"] in ("Ada", "Bob")


def test_an_unknown_order_is_not_found(shadow):
    assert shadow.get("/orders/4711").status_code == 404


def test_products_are_found_by_their_tag(shadow):
    items = shadow.get("/products", params={"tag": "hot"}).json()["items"]
    assert {item["name"] for item in items} == {"Tea", "Cup"}


@pytest.mark.shadow(allow_unsafe=True)
def test_an_order_can_be_placed(shadow):
    answer = shadow.post("/orders", json={"customer": "Eve", "lines": [{"product": 3, "quantity": 2}]})
    assert answer.status_code == 201
    assert answer.json()["total"] == "12.90"
