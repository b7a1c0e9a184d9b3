"""A library's catalogue in FastAPI; RELEASE=3 is the release in which a year became text."""

import os

from fastapi import FastAPI, HTTPException, Response
from pydantic import BaseModel

app = FastAPI(title="Library", version="1.0")

YEAR = str if os.environ.get("RELEASE") == "3" else int
BOOKS = {
    1: ("Middlemarch", "George Eliot", 1871),
    2: ("Moby-Dick", "Herman Melville", 1851),
    3: ("Dead Souls", "Nikolai Gogol", 1842),
}


class Book(BaseModel):
    id: int
    title: str
    author: str
    year: YEAR


def book(number: int) -> Book:
    title, author, year = BOOKS[number]
    return Book(id=number, title=title, author=author, year=YEAR(year))


@app.get("/books", operation_id="list_books")
def list_books(author: str | None = None) -> list[Book]:
    return [book(number) for number, (_, name, _) in BOOKS.items() if author in (None, name)]


@app.get("/books/{number}", operation_id="get_book")
def get_book(number: int) -> Book:
    if number not in BOOKS:
        raise HTTPException(404, "no such book")
    return book(number)


@app.get("/covers/{number}", operation_id="get_cover")
def get_cover(number: int) -> Response:
    """A picture of one kilobyte, as far as anybody looks."""
    return Response(bytes(range(256)) * 4 * number, media_type="image/png")
