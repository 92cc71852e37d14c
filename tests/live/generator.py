"""A load generator in a process of its own, so that it shares no interpreter with what it measures. Run as a script.

Reads one JSON document from standard input: `socket` (a path), `requests` (whole HTTP requests, Latin-1), `clients`
(closed loop: each sends its next request when the answer to the last one is there), `seconds`, `marker` (a text that a
right answer holds). Writes one JSON document: `count`, `wrong`, `seconds`, and `latencies` (seconds, sorted).
"""

import json
import select
import socket
import sys
import time
from typing import Any


class _Client:
    """One connection. Replies are read to their stated length, or to the last chunk."""

    __slots__ = ("_buffer", "sent_at", "sock")

    def __init__(self, path: str) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(path)
        self._buffer = b""
        self.sent_at = 0.0

    def send(self, request: bytes) -> None:
        self._buffer = b""
        self.sent_at = time.perf_counter()
        self.sock.sendall(request)

    def receive(self) -> bytes | None:
        """Return a whole reply, or None when there is more to come."""
        piece = self.sock.recv(262_144)
        if not piece:
            raise EOFError("the server hung up")
        self._buffer += piece
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return None
        head = self._buffer[:end].lower()
        at = head.find(b"content-length:")
        if at >= 0:
            length = int(head[at + 15 :].split(b"\r\n", 1)[0])
            return self._buffer if len(self._buffer) >= end + 4 + length else None
        return self._buffer if self._buffer.endswith(b"\r\n0\r\n\r\n") else None


def run(job: dict[str, Any]) -> dict[str, Any]:
    """Press for the wanted time and return what came out."""
    requests = [request.encode("latin-1") for request in job["requests"]]
    marker = job["marker"].encode()
    clients = {client.sock.fileno(): client for client in (_Client(job["socket"]) for _ in range(job["clients"]))}
    poll = select.epoll()
    latencies, wrong, sent = [], 0, 0
    for number, client in clients.items():
        poll.register(number, select.EPOLLIN)
        client.send(requests[sent % len(requests)])
        sent += 1
    began = time.perf_counter()
    until = began + job["seconds"]
    open_calls = len(clients)
    while open_calls:
        for number, _ in poll.poll(60):
            client = clients[number]
            reply = client.receive()
            if reply is None:
                continue
            now = time.perf_counter()
            latencies.append(now - client.sent_at)
            wrong += marker not in reply
            if now < until:
                client.send(requests[sent % len(requests)])
                sent += 1
            else:
                open_calls -= 1
    took = time.perf_counter() - began
    return {"count": len(latencies), "wrong": wrong, "seconds": took, "latencies": sorted(latencies)}


if __name__ == "__main__":
    json.dump(run(json.load(sys.stdin)), sys.stdout)
