"""Contract tests reach this machine and nothing else."""

import socket

import pytest


def test_a_contract_test_reaches_loopback(request: pytest.FixtureRequest) -> None:
    assert request.node.get_closest_marker("contract"), "the folder gives the marker"
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as client:
        client.connect(server.getsockname())


def test_a_contract_test_does_not_reach_another_address() -> None:
    # 192.0.2.0/24 is reserved for documentation (RFC 5737); the guard refuses before anything is sent.
    with socket.socket() as client, pytest.raises((RuntimeError, UserWarning), match=r"192\.0\.2\.1"):
        client.connect(("192.0.2.1", 9))
