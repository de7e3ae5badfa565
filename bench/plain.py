"""The plainest handler: the request written and the answer read by hand, to see what a mapping costs beside it.

.venv/bin/python bench/plain.py UPSTREAM_PORT PORT
"""

import sys
from collections.abc import AsyncIterator

import orjson
import uvicorn

from dragoman import Call, Chunk, Gateway, Handler, Upstream, text_of
from dragoman.mapping.framing import SSE
from dragoman.server import bound, settings


def plain(url: str) -> Gateway:
    """A gateway whose models are all answered by the handler."""
    models = {"quick": "unused", "paced": "unused"}
    gateway = Gateway({"backends": {"unused": {"kind": "demo"}}, "models": models})
    upstream = Upstream(url)
    gateway.opens(upstream)

    @gateway.use
    def answered(next: Handler) -> Handler:
        async def handle(call: Call) -> AsyncIterator[Chunk]:
            request = call.request
            turns = [{"role": each["role"], "content": text_of(each.get("content"))} for each in request.messages]
            asked = {"model": request.model, "message": turns[-1]["content"], "history": turns}
            if not request.stream:
                answer = await upstream.ask(call, asked)
                yield Chunk(text=orjson.loads(await answer.whole())["reply"], finish="stop")
                return
            answer = await upstream.ask(call, {**asked, "stream": True}, "text/event-stream")
            events = SSE()
            while piece := await answer.read():
                for event in events.feed(piece):
                    if event == b"[DONE]":
                        answer.ended = True
                        return
                    value = orjson.loads(event)
                    yield Chunk(text=value.get("delta", ""), finish=value.get("reason"))

        return handle

    return gateway


if __name__ == "__main__":
    upstream_port, port = sys.argv[1:]
    gateway = plain(f"http://127.0.0.1:{upstream_port}/chatting")
    uvicorn.Server(settings(gateway.app)).run(sockets=[bound("127.0.0.1", int(port))])
