"""What a client of httpbin relies on. Nothing here knows that there are two versions."""


def test_headers(shadow):
    response = shadow.get("/headers", headers={"X-Order": "42"})
    assert response.status_code == 200
    assert response.json()["headers"]["X-Order"] == "42"


def test_arguments(shadow):
    response = shadow.get("/get", params={"item": ["1", "2"], "page": "7"})
    assert response.json()["args"] == {"item": ["1", "2"], "page": "7"}


def test_uuid(shadow):
    assert len(shadow.get("/uuid").json()["uuid"]) == 36


def test_compressed(shadow):
    assert shadow.get("/gzip").json()["gzipped"] is True


def test_teapot(shadow):
    assert shadow.get("/status/418").status_code == 418


def test_sample_document(shadow):
    assert shadow.get("/json").status_code in (200, 404)


def test_redirect(shadow):
    assert shadow.get("/redirect/1", follow_redirects=False).status_code == 302


def test_login_is_asked_for(shadow):
    response = shadow.get("/digest-auth/auth/user/secret")
    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Digest ")
