"""The process of an upstream that is to be killed. It listens on a socket that it inherits, and streams slowly."""

import asyncio
import random
import socket
import sys

from bench.endurance.upstream import Asked, Upstream
from bench.endurance.words import events, whole
from tests.upstream import LAST_CHUNK, Connection, answer, chunked, stream_head

PAUSE = 0.01


async def dripping(connection: Connection, asked: Asked) -> None:
    """An answer in small pieces, framed as the prompt says."""
    nonce, framing, *_ = asked.prompt.split()
    pieces = events(nonce, asked.mapped) if asked.stream else [whole(nonce, asked.mapped)]
    type = "text/event-stream" if asked.stream else "application/json"
    if framing == "chunked":
        said = [stream_head(type), *map(chunked, pieces), LAST_CHUNK]
    else:
        said = [answer(b"".join(pieces), type=type)]
    if framing == "close":
        said[0] = said[0].replace(b"Content-Length", b"X-Length")
    await connection.send(*_split(b"".join(said)), pause=PAUSE)
    if framing == "close":
        connection.writer.close()


def _split(said: bytes) -> list[bytes]:
    """The bytes in some ten pieces, which end anywhere."""
    places = sorted(random.randrange(len(said)) for _ in range(9))
    return [said[begin:end] for begin, end in zip([0, *places], [*places, len(said)], strict=True)]


async def main() -> None:
    upstream = Upstream(dripping)
    server = await asyncio.start_server(upstream.serve, sock=socket.socket(fileno=int(sys.argv[1])))
    print("listening", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
