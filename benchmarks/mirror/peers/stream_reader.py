"""Writes what an Envoy's admin stream says to stdout."""

from __future__ import annotations

import json
import socket
import sys


def read(admin: int) -> None:
    output = {
        "sinks": [{"format": "JSON_BODY_AS_BYTES", "streaming_admin": {}}],
        "max_buffered_rx_bytes": 65536,
        "max_buffered_tx_bytes": 65536,
    }
    body = json.dumps({"config_id": "both", "tap_config": {"match": {"any_match": True}, "output_config": output}}).encode()
    with socket.create_connection(("127.0.0.1", admin)) as sock:
        sock.sendall(b"POST /tap HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        while block := sock.recv(1 << 20):
            sys.stdout.buffer.write(block)
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    read(int(sys.argv[1]))
