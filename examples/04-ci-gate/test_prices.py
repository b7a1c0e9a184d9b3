import pytest


@pytest.mark.parametrize("number", [1, 2])
def test_price(shadow, number):
    assert shadow.get(f"/price/{number}").json()["cents"] > 0


def test_no_price(shadow):
    assert shadow.get("/price/3").status_code == 404
