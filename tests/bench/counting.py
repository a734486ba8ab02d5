"""What travels between a browser and a server, counted on the connection: compressed messages too."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


@contextmanager
def counted(port: int) -> Iterator[tuple[int, Callable[[], int]]]:
    """A port that leads to `port`, and how many bytes have gone through it by now, both ways."""
    total = 0
    opened: list[tuple[int, asyncio.AbstractEventLoop, asyncio.Event]] = []
    ready = threading.Event()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal total
        try:
            while data := await reader.read(1 << 18):
                total += len(data)
                writer.write(data)
                await writer.drain()
        except OSError:
            pass  # one side went away: so does the other
        finally:
            writer.close()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", port)
        with suppress(asyncio.CancelledError):  # asyncio would print a page about it
            await asyncio.gather(pump(reader, there_writer), pump(there_reader, writer))

    async def serve() -> None:
        done = asyncio.Event()
        server = await asyncio.start_server(connect, "127.0.0.1", 0)
        opened.append((server.sockets[0].getsockname()[1], asyncio.get_running_loop(), done))
        ready.set()
        await done.wait()
        server.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert ready.wait(10)
    ((listening, loop, done),) = opened
    try:
        yield listening, lambda: total
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(5)
