import socket

import pytest

LOOPBACK = ("127.0.0.1", "localhost", "::1")


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Refuses every connection to another machine: the emulator needs none."""
    connect = socket.socket.connect

    def stay(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in LOOPBACK:
            raise AssertionError(f"a connection to {address} would leave this machine")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", stay)
