"""Loopback ports, and whether anything answers on them."""

import http.client
import socket

LOOPBACK = "127.0.0.1"
_ASK_SECS = 2.0


def free_port() -> int:
    """A loopback port for a server that starts soon.

    For about a minute the kernel gives it to nobody who asks for any port: a connection that this end closed first
    lingers on it (TIME_WAIT), which is no obstacle to a server, because servers listen with SO_REUSEADDR.
    """
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((LOOPBACK, 0))
        listener.listen(1)
        with socket.create_connection(listener.getsockname()) as caller:
            listener.accept()[0].close()
            caller.recv(1)  # until the other end has closed
        return listener.getsockname()[1]


def is_free(port: int) -> bool:
    """Whether a server could still listen on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: ignore connections in TIME_WAIT
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def http_status(port: int, path: str) -> int | None:
    """The status of the response to a GET, or None if there was no response."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=_ASK_SECS)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def accepts(port: int) -> bool:
    """Whether the port accepts a connection."""
    try:
        socket.create_connection((LOOPBACK, port), timeout=_ASK_SECS).close()
    except OSError:
        return False
    return True
