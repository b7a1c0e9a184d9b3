"""Everybody else: a client in the cluster that knows nothing of any run. Usage: strangers.py HOST PORT REQUESTS

It sends reads and writes on connections of all ages, and prints at its end what failed and, for each request, when and how long.
"""

from __future__ import annotations

import http.client
import json
import sys
import threading
import time

HOST, PORT, REQUESTS = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
WORKERS = 4
PACE = 0.008
took: list[tuple[float, float]] = []
failed: list[str] = []
over = threading.Event()


def ask(connection: http.client.HTTPConnection, number: int) -> None:
    begun = time.time()
    try:
        if number % 5 == 0:
            connection.request("POST", f"/strangers/{number}", b"x" * 2000)
        else:
            connection.request("GET", f"/strangers/{number}")
        response = connection.getresponse()
        response.read()
        if response.status != 200:
            failed.append(f"{number}: {response.status}")
    except OSError as error:
        failed.append(f"{number}: {error!r}")
        connection.close()
    took.append((begun, time.time() - begun))


def work(numbers: range) -> None:
    connection = http.client.HTTPConnection(HOST, PORT, timeout=10)
    for number in numbers:
        if number % 100 < WORKERS:
            connection.close()
        ask(connection, number)
        time.sleep(PACE)


def hold() -> None:
    """One connection from the beginning to the end."""
    connection = http.client.HTTPConnection(HOST, PORT, timeout=10)
    connection.connect()
    first = connection.sock.getsockname()
    while not over.wait(0.25):
        connection.request("GET", "/held")
        connection.getresponse().read()
        if connection.sock is None or connection.sock.getsockname() != first:
            failed.append("the long-lived connection was closed")
            return


def until_reached() -> None:
    """A Service that was just made is not on every node at once."""
    while True:
        connection = http.client.HTTPConnection(HOST, PORT, timeout=2)
        try:
            connection.request("GET", "/held")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.1)
        finally:
            connection.close()


until_reached()
holder = threading.Thread(target=hold)
holder.start()
workers = [threading.Thread(target=work, args=(range(start, REQUESTS, WORKERS),)) for start in range(WORKERS)]
for worker in workers:
    worker.start()
for worker in workers:
    worker.join()
over.set()
holder.join()
print(json.dumps({"failed": failed, "took": took}), flush=True)  # noqa: T201 (its result)
time.sleep(3600)
