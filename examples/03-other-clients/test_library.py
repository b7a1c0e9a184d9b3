"""The same library through five clients: whatever takes a base URL takes `shadow_url`."""

import asyncio

import aiohttp
import requests
import urllib3


def test_requests(shadow_url):
    with requests.Session() as session:
        assert session.get(f"{shadow_url}/books/1", timeout=10).json()["title"] == "Middlemarch"
        assert session.get(f"{shadow_url}/books/9", timeout=10).status_code == 404


def test_urllib3(shadow_url):
    with urllib3.PoolManager() as pool:
        cover = pool.request("GET", f"{shadow_url}/covers/3", preload_content=False)
        assert sum(len(piece) for piece in cover.stream(100)) == 3072


def test_aiohttp(shadow_url):
    async def titles():
        async with aiohttp.ClientSession(shadow_url) as session:
            answers = await asyncio.gather(*(session.get(f"/books/{number}") for number in (1, 2, 3)))
            return [(await answer.json())["title"] for answer in answers]

    assert asyncio.run(titles()) == ["Middlemarch", "Moby-Dick", "Dead Souls"]


def test_generated_client(shadow_url):
    from library_client import Client
    from library_client.api.default import list_books

    with Client(base_url=shadow_url) as client:
        found = list_books.sync(client=client, author="Nikolai Gogol")
    assert [book.title for book in found] == ["Dead Souls"]


def test_httpx(shadow):
    assert [book["id"] for book in shadow.get("/books").json()] == [1, 2, 3]
