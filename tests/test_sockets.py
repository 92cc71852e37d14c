"""Unit tests reach no network: what tests/conftest.py and pyproject.toml promise, tried out."""

import socket

import pytest


def test_a_unit_test_can_not_open_a_tcp_socket() -> None:
    with pytest.raises((RuntimeError, UserWarning), match=r"socket\.socket"):
        socket.socket(socket.AF_INET, socket.SOCK_STREAM)


def test_a_unit_test_can_not_resolve_a_name() -> None:
    with pytest.raises((RuntimeError, UserWarning), match=r"getaddrinfo"):
        socket.getaddrinfo("localhost", 80)


def test_a_unit_test_may_use_unix_sockets() -> None:
    left, right = socket.socketpair()
    with left, right:
        left.sendall(b"x")
        assert right.recv(1) == b"x"
