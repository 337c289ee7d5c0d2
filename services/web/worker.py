"""Gunicorn's worker: a loop receives requests and sends responses, and threads only run the application."""

import time
from contextlib import suppress
from functools import partial
from math import inf
from selectors import EVENT_READ, EVENT_WRITE
from socket import SHUT_WR
from threading import Timer
from typing import Any, cast

from gunicorn.http.errors import ParseException, UnsupportedTransferCoding  # pyright: ignore[reportMissingTypeStubs]
from gunicorn.http.parser import RequestParser  # pyright: ignore[reportMissingTypeStubs]
from gunicorn.workers.gthread import ThreadWorker  # pyright: ignore[reportMissingTypeStubs]

from .bad_request import bad_request_response
from .outgoing import Outgoing
from .reception import Admission, Received, Reception, TooMuch, TooSlow

_PIECE_BYTES = 64 * 2**10
_LINGER_SECS = 0.2
_DRAIN_SECS = 5.0
_CHECK_SECS = 1.0


class Worker(ThreadWorker):
    """A threaded worker whose loop receives whole requests and sends responses, so that no slow peer holds a thread."""

    def init_process(self) -> None:
        """Start the worker's loop."""
        self._receptions: dict[Any, Reception] = {}  # until the request is done
        self._sending: dict[Any, Outgoing] = {}
        self._lingering: dict[Any, float] = {}  # until when a closed connection is read
        self._held_bytes, self._next_check, self._silent_until = 0, 0.0, inf
        cast("Any", super()).init_process()

    def accept(self, listener: Any) -> None:
        """Accept a connection; if there are too many, the one that has been sending for longest gives way."""
        cast("Any", super()).accept(listener)
        if self.nr_conns >= self.worker_connections:
            unfinished = (conn for conn, one in self._receptions.items() if not one.is_over)
            oldest = next(unfinished, None)
            if oldest is not None:
                self._drop(oldest)

    # A request that arrives.

    def enqueue_req(self, conn: Any) -> None:
        """Receive a request, and give it a thread once it is whole."""
        if not conn.initialized:
            conn.initialized = True
            parser: Any = RequestParser(self.cfg, (), conn.client)
            parser.unreader = Received()
            conn.parser = parser
        rest: bytes = conn.parser.unreader.take_kept()
        conn.sock.setblocking(False)
        self._receptions[conn] = Reception(b"", time.monotonic(), self._admission)
        self.poller.register(conn.sock, EVENT_READ, partial(self._receive, conn))  # pyright: ignore
        if rest:
            self._add(conn, rest)
        else:
            self._receive(conn)

    def _receive(self, conn: Any, sock: Any = None) -> None:
        if conn not in self._receptions:  # dropped by an earlier event of the same round, as below
            return
        try:
            data = conn.sock.recv(_PIECE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            self._drop(conn)
            return
        if data:
            self._add(conn, data)
        elif len(self._receptions[conn]):
            self._receptions[conn].stop()
            self._hand_over(conn)
        else:
            self._drop(conn)

    def _add(self, conn: Any, data: bytes) -> None:
        reception = self._receptions[conn]
        self._held_bytes += len(data)
        try:
            reception.add(data, time.monotonic())
            if self._held_bytes > self._admission.most_held_bytes and len(reception) > _PIECE_BYTES:
                raise TooMuch
        except (ParseException, TooMuch) as error:
            self._refuse(conn, error)
            return
        if reception.wants_continue:
            reception.wants_continue = False
            with suppress(OSError):
                conn.sock.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        if reception.is_over:
            self._hand_over(conn)

    def _hand_over(self, conn: Any) -> None:
        self.poller.unregister(conn.sock)  # pyright: ignore
        cast("Any", super()).enqueue_req(conn)

    def _refuse(self, conn: Any, error: Exception) -> None:
        self.poller.unregister(conn.sock)  # pyright: ignore
        self._forget(conn)
        self.handle_error(None, conn.sock, conn.client, error)
        self._linger(conn)

    def _drop(self, conn: Any) -> None:
        self.poller.unregister(conn.sock)  # pyright: ignore
        self._forget(conn)
        self._close(conn)

    def _forget(self, conn: Any) -> None:
        self._held_bytes -= len(self._receptions.pop(conn))

    # A request that is whole, in a thread.

    def handle(self, conn: Any) -> Any:
        """Handle one request; what of the response the socket does not take at once is sent by the loop."""
        conn.parser.unreader.put(self._receptions[conn].data)
        sock = conn.sock
        conn.sock = conn.outgoing = Outgoing(sock)
        try:
            return cast("Any", super()).handle(conn)
        finally:
            conn.parser.unreader.keep_rest()
            conn.sock = sock

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Respond to one request."""
        req._expected_100_continue = False  # the loop has said it
        codings = [value for name, value in req.headers if name == "TRANSFER-ENCODING"]
        if any(value.strip().lower() != "chunked" for value in codings):
            raise UnsupportedTransferCoding(codings[0])  # Gunicorn would pass on what it does not decode
        if self._receptions[conn].is_cut:
            req.force_close()
        return cast("Any", super()).handle_request(req, conn)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Respond to a request that cannot be parsed."""
        if not isinstance(exc, (ParseException, TooSlow, TooMuch)):
            self.log.exception("request")  # noqa: LOG004 - called while the error is handled
        with suppress(OSError):
            client.sendall(bad_request_response(exc))

    # A response that leaves.

    def finish_request(self, conn: Any, fs: Any) -> None:
        """Send what is left of the response, then wait for the next request, or close."""
        self._forget(conn)
        if conn.outgoing.is_sent:
            self._finish(conn, fs)
            return
        self._sending[conn] = conn.outgoing
        self.poller.register(conn.sock, EVENT_WRITE, partial(self._send, conn, fs))  # pyright: ignore

    def _send(self, conn: Any, fs: Any, sock: Any) -> None:
        outgoing = self._sending.get(conn)
        if outgoing is None:
            return
        try:
            outgoing.send()
        except OSError:
            self._break_off(conn)
            return
        if outgoing.is_sent:
            del self._sending[conn]
            self.poller.unregister(conn.sock)  # pyright: ignore
            self._finish(conn, fs)

    def _finish(self, conn: Any, fs: Any) -> None:
        if fs.exception() is None and fs.result():
            cast("Any", super()).finish_request(conn, fs)
        else:
            self._linger(conn)

    def _break_off(self, conn: Any) -> None:
        del self._sending[conn]
        self.poller.unregister(conn.sock)  # pyright: ignore
        self._close(conn)

    def _linger(self, conn: Any) -> None:
        """Read on after the last response: a client still sending would get a reset connection and no response."""
        try:
            conn.sock.setblocking(False)
            conn.sock.shutdown(SHUT_WR)
        except OSError:
            self._close(conn)
            return
        self._lingering[conn] = time.monotonic() + (_DRAIN_SECS if self.alive else _LINGER_SECS)
        self.poller.register(conn.sock, EVENT_READ, partial(self._discard, conn))  # pyright: ignore

    def _discard(self, conn: Any, sock: Any) -> None:
        if conn not in self._lingering:
            return
        try:
            is_open = bool(conn.sock.recv(_PIECE_BYTES))
        except BlockingIOError:
            return
        except OSError:
            is_open = False
        if not is_open:
            self._end_linger(conn)

    def _end_linger(self, conn: Any) -> None:
        del self._lingering[conn]
        self.poller.unregister(conn.sock)  # pyright: ignore
        self._close(conn)

    def _close(self, conn: Any) -> None:
        self.nr_conns -= 1
        conn.close()

    # Deadlines.

    def murder_pending(self) -> None:
        """Close what is late, about once a second."""
        now = time.monotonic()
        if now < min(self._next_check, self._silent_until):
            return
        self._next_check = now + _CHECK_SECS
        for conn in [conn for conn, one in self._receptions.items() if self._is_late(one, now)]:
            if len(self._receptions[conn]):
                self._refuse(conn, TooSlow())
            else:
                self._drop(conn)
        for conn in [conn for conn, until in self._lingering.items() if until < now]:
            self._end_linger(conn)
        for conn in [conn for conn, one in self._sending.items() if one.deadline < now]:
            self._break_off(conn)

    def _cap_keepalive(self, deadline: float) -> None:
        soon = min(deadline, time.monotonic() + _LINGER_SECS)
        cast("Any", super())._cap_keepalive(soon)
        self._silent_until = soon
        self._lingering = {conn: min(until, soon) for conn, until in self._lingering.items()}
        if self._receptions or self._lingering:  # nothing else wakes the worker for them within a second
            Timer(_LINGER_SECS, self.method_queue.defer, [self.murder_pending]).start()

    def _is_late(self, reception: Reception, now: float) -> bool:
        deadline = reception.deadline if len(reception) else min(reception.deadline, self._silent_until)
        return not reception.is_over and deadline < now

    @property
    def _admission(self) -> Admission:
        return cast("Any", self).app.admission
