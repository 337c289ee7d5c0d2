"""An address that outlives the server behind it, as a name or a virtual address does: it can lead elsewhere later."""

import asyncio
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

from memory_graph_workers.cli.stack.ports import LOOPBACK, free_port

_CHUNK_BYTES = 2**16


class Forwarder:
    """Passes each new connection on to the port that it leads to at the time; connections that exist stay.

    It runs in a thread of its own, and listens on `host`, which may be an address outside this machine's loopback.
    """

    def __init__(self, target_port: int, host: str = LOOPBACK) -> None:
        self.host, self.port, self.accepted = host, free_port(), 0
        self._target_port = target_port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="forwarder", daemon=True)
        self._writers: set[asyncio.StreamWriter] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        opening = asyncio.start_server(self._serve, self.host, self.port)
        self._server = asyncio.run_coroutine_threadsafe(opening, self._loop).result(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def leads_to(self, port: int) -> None:
        """Lead new connections elsewhere."""
        self._target_port = port

    async def _close(self) -> None:
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await asyncio.sleep(0)
        serving = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        await asyncio.wait(serving, timeout=5) if serving else None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self._writers.add(writer)
        with suppress(OSError):
            there, back = await asyncio.open_connection(LOOPBACK, self._target_port)
            self._writers.add(back)
            await asyncio.gather(self._pass(reader, back), self._pass(there, writer))
            self._writers.discard(back)
        writer.transport.abort()
        self._writers.discard(writer)

    @staticmethod
    async def _pass(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """Pass bytes on until one end closes; then close the other."""
        with suppress(OSError):
            while data := await source.read(_CHUNK_BYTES):
                sink.write(data)
                await sink.drain()
        sink.transport.abort()
