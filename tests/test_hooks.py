"""A user's own code around each call: hooks in the configuration and in Python, and the gateway in another's house."""

import json
from contextlib import asynccontextmanager

import aiohttp
import pytest
from fastapi import FastAPI

from dragoman import Chunk, Config, ConfigError, Gateway, Refused
from tests.serving import QUESTION, client, gateway, post, served


def echo(request):
    """Says back what it was asked, and by whom."""
    yield f"{request.model}/{request.user or '-'}: "
    yield request.messages[-1]["content"]


def config(**more):
    return {"backends": {"b": {"kind": "python", "target": echo}}, "models": {"m": "b"}, **more}


async def heard(made, **more):
    """The text of the answer, which is the same streamed."""
    async with gateway(made) as url:
        completions = client(url).chat.completions
        whole = (await completions.create(**QUESTION, **more)).choices[0].message.content
        stream = await completions.create(**QUESTION, **more, stream=True)
        assert "".join([chunk.choices[0].delta.content or "" async for chunk in stream]) == whole
        return whole


class Audit:
    """Notes what passes."""

    made = 0

    def __init__(self):
        Audit.made += 1
        self.calls = []

    async def before(self, call):
        self.calls.append(call.id)
        return call.asking(user=f"caller {len(self.calls)}")

    def after(self, call, chunk):
        assert call.id in self.calls
        return Chunk(text=chunk.text.upper(), finish=chunk.finish, about=chunk.about)


class OnlyAfter:
    async def after(self, call, chunks):
        async for chunk in chunks:
            if chunk.finish:
                yield Chunk(text="!")
            yield chunk


def shouting(handler):
    async def handle(call):
        async for chunk in handler(call):
            chunk.text = chunk.text.upper()
            yield chunk

    return handle


instance = OnlyAfter()


@pytest.mark.parametrize(
    ("hooks", "text"),
    [
        (["OnlyAfter"], "m/-: Hello!"),
        (["instance"], "m/-: Hello!"),
        (["shouting"], "M/-: HELLO"),
        (["OnlyAfter", "shouting"], "M/-: HELLO!"),
        ([], "m/-: Hello"),
    ],
    ids=str,
)
async def test_hooks_are_named_in_the_configuration(hooks, text):
    assert await heard(config(hooks=[f"{__name__}:{name}" for name in hooks])) == text


async def test_a_hook_class_is_made_once_and_changes_calls_and_chunks():
    made = Audit.made
    async with gateway(config(hooks=[f"{__name__}:Audit"])) as url:
        answers = [json.loads((await post(url, QUESTION))[2]) for _ in range(2)]
    assert [answer["choices"][0]["message"]["content"] for answer in answers] == [
        "M/CALLER 1: HELLO",
        "M/CALLER 2: HELLO",
    ]
    assert Audit.made == made + 1


@pytest.mark.parametrize(
    ("hook", "told"),
    [
        ("no_such_module:Audit", "cannot be imported: No module named 'no_such_module'"),
        (f"{__name__}:Nothing", "cannot be imported: cannot import name 'Nothing'"),
        (f"{__name__}:QUESTION", "is neither a middleware nor has it a `before` or `after`"),
    ],
)
def test_a_wrong_hook_is_found_when_the_configuration_is_read(hook, told):
    with pytest.raises(ConfigError) as caught:
        Config.of(config(hooks=[hook]))
    assert str(caught.value).startswith(f"the configuration: hooks[0]: {told}")


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda call: call.asking(user="me"), "m/me: Hello"),
        (lambda call: call.asking(messages=[{"role": "user", "content": "Bye"}]), "m/-: Bye"),
        (lambda call: None, "m/-: Hello"),
    ],
    ids=["user", "messages", "nothing"],
)
async def test_before_may_change_the_call(change, text, asynchronous):
    async def later(call):
        return change(call)

    made = Gateway(config())
    made.before(later if asynchronous else change)
    assert await heard(made) == text


async def test_a_call_that_is_changed_is_another_call():
    made = Gateway(config())
    seen = []

    @made.before
    def look(call):
        changed = call.asking(user="me", temperature=1)
        seen.append((call.request.user, changed.request.user, changed.request.temperature))
        assert changed.open is call.open
        assert (changed.id, changed.key) == (call.id, call.key)

    assert await heard(made) == "m/-: Hello"
    assert seen == [(None, "me", 1)] * 2


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("refusal", "code", "message"),
    [
        (Refused("No passwords, please."), "refused", "No passwords, please."),
        (Refused("Not today.", code="closed", param="user"), "closed", "Not today."),
        (Refused(), "refused", "This request was refused."),
    ],
    ids=["message", "code", "plain"],
)
async def test_before_may_refuse(refusal, code, message, stream):
    made = Gateway(config())

    @made.before
    async def refuse(call):
        raise refusal

    async with gateway(made) as url:
        status, headers, body = await post(url, {**QUESTION, "stream": stream})
    assert status == 403
    assert headers["content-type"] == "application/json"
    error = {"message": message, "type": "permission_error", "param": refusal.param, "code": code}
    assert json.loads(body) == {"error": error}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("where", ["before", "after", "use"])
async def test_a_hook_that_breaks_is_the_gateways_failure(where, stream):
    def breaking(call, chunk=None):
        raise ValueError("s3cret-detail")

    made = Gateway(config())
    getattr(made, where)((lambda handler: breaking) if where == "use" else breaking)
    async with gateway(made) as url:
        status, _, body = await post(url, {**QUESTION, "stream": stream})
    assert status == 500
    assert json.loads(body)["error"]["code"] == "gateway_error"
    assert b"s3cret" not in body


async def test_a_refused_call_never_reaches_the_backend():
    def backend():
        reached.append(True)
        return "x"

    reached = []
    made = Gateway({**config(), "backends": {"b": {"kind": "python", "target": backend}}})

    @made.before
    def refuse(call):
        raise Refused()

    async with gateway(made) as url:
        await post(url, QUESTION)
    assert not reached


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("returns", [False, True], ids=["in-place", "another"])
async def test_after_may_change_each_chunk(returns, asynchronous):
    def louder(call, chunk):
        if returns:
            return Chunk(text=chunk.text.upper(), finish=chunk.finish)
        chunk.text = chunk.text.upper()
        return None

    async def later(call, chunk):
        return louder(call, chunk)

    made = Gateway(config())
    made.after(later if asynchronous else louder)
    assert await heard(made) == "M/-: HELLO"


async def test_after_may_have_all_chunks():
    made = Gateway(config())

    @made.after
    async def backwards(call, chunks):
        held = [chunk async for chunk in chunks]
        *texts, last = held
        for chunk in reversed(texts):
            yield chunk
        yield last

    assert await heard(made) == "Hellom/-: "


async def test_after_sees_the_finish_and_which_backend_answered():
    made = Gateway(config())
    seen = []

    @made.after
    def look(call, chunk):
        seen.append((chunk.text, chunk.finish, (chunk.about or {}).get("backend")))

    async with gateway(made) as url:
        await post(url, QUESTION)
    assert seen[0] == ("m/-: ", None, "b")
    assert seen[-1][1] == "stop"
    assert "".join(text for text, _, _ in seen) == "m/-: Hello"


async def test_a_hook_that_answers_itself_needs_no_backend():
    made = Gateway(config())

    @made.use
    def cached(handler):
        async def handle(call):
            yield Chunk(text="from the cache", finish="stop")

        return handle

    assert await heard(made) == "from the cache"


async def test_what_was_added_first_stands_outermost_and_configured_hooks_before_all():
    def noting(name):
        def around(handler):
            async def handle(call):
                order.append(name)
                async for chunk in handler(call):
                    yield chunk
                order.append(f"/{name}")

            return handle

        return around

    order = []
    made = Gateway(config(hooks=[noting("configured"), noting("configured too")]))
    made.use(noting("first"))
    made.before(lambda call: order.append("before"))
    made.after(lambda call, chunk: order.append("after") if chunk.finish else None)
    made.use(noting("last"))
    async with gateway(made) as url:
        await post(url, QUESTION)
    inward = ["configured", "configured too", "first", "before", "last"]
    assert order == [*inward, "after", "/last", "/first", "/configured too", "/configured"]


async def test_decorators_give_back_what_they_decorate():
    made = Gateway(config())
    assert made.before(echo) is echo
    assert made.use(shouting) is shouting

    def look(call, chunk):
        return None

    assert made.after(look) is look


async def test_what_is_opened_with_the_gateway_is_closed_with_it():
    @asynccontextmanager
    async def resource(name):
        order.append(f"open {name}")
        yield
        order.append(f"close {name}")

    order = []
    made = Gateway(config())
    made.opens(resource("a"))
    made.opens(resource("b"))
    assert not made.ready
    async with gateway(made) as url:
        assert made.ready
        assert (await post(url, QUESTION))[0] == 200
        assert order == ["open a", "open b"]
    assert order == ["open a", "open b", "close b", "close a"]
    assert not made.ready


def in_a_lifespan_of_their_own(made):
    """What a user writes: the parent application opens the gateway."""

    @asynccontextmanager
    async def lifespan(app):
        async with made.opened():
            yield

    return FastAPI(lifespan=lifespan)


def in_the_lifespan_of_the_gateways_app(made):
    """The same by what FastAPI itself has for it."""

    @asynccontextmanager
    async def lifespan(app):
        async with made.app.router.lifespan_context(made.app):
            yield

    return FastAPI(lifespan=lifespan)


@pytest.fixture(
    params=[in_a_lifespan_of_their_own, in_the_lifespan_of_the_gateways_app], ids=lambda made: made.__name__
)
async def mounted(request):
    """The address of somebody's own application with the gateway under `/ai`."""
    made = Gateway(config())
    parent = request.param(made)
    parent.mount("/ai", made.app)

    @parent.get("/own")
    def own():
        return {"mine": True}

    async with served(parent) as url:
        yield url


async def test_a_mounted_gateway_answers_under_its_prefix(mounted):
    completions = client(f"{mounted}/ai").chat.completions
    completion = await completions.create(**QUESTION)
    stream = [chunk async for chunk in await completions.create(**QUESTION, stream=True)]
    assert completion.choices[0].message.content == "m/-: Hello"
    assert completion._request_id.startswith("req_")
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == "m/-: Hello"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/own", 200),
        ("GET", "/ai/v1/models", 200),
        ("GET", "/ai/models/m", 200),
        ("GET", "/ai/health", 200),
        ("GET", "/ai/ready", 200),
        ("GET", "/ai/docs", 200),
        ("GET", "/ai/openapi.json", 200),
        ("POST", "/ai/chat/completions", 422),
        ("GET", "/ai/v1/chat/completions", 405),
        ("GET", "/ai/nothing", 404),
        ("POST", "/v1/chat/completions", 404),
    ],
)
async def test_a_mounted_gateway_keeps_to_its_prefix(mounted, method, path, status):
    async with aiohttp.ClientSession() as session, session.request(method, mounted + path, data=b"{}") as got:
        assert got.status == status
        if path.startswith("/ai/") and status >= 400:
            assert set((await got.json())["error"]) == {"message", "type", "param", "code"}
            assert got.headers["x-request-id"].startswith("req_")


async def test_a_mounted_gateway_that_nobody_opened_is_not_ready():
    parent = FastAPI()
    parent.mount("/ai", Gateway(config()).app)
    async with served(parent) as url, aiohttp.ClientSession() as session:
        status, _, body = await post(f"{url}/ai", QUESTION)
        async with session.get(f"{url}/ai/ready") as ready:
            assert ready.status == 503
    assert (status, json.loads(body)["error"]["code"]) == (503, "gateway_not_ready")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_asgi_middleware_stands_before_the_chat_too(stream):
    class Stamped:
        def __init__(self, app, stamp):
            self.app, self.stamp = app, stamp

        async def __call__(self, scope, receive, send):
            async def stamped(message):
                if message["type"] == "http.response.start":
                    message["headers"] = [*message["headers"], (b"x-stamp", self.stamp)]
                await send(message)

            await self.app(scope, receive, stamped if scope["type"] == "http" else send)

    made = Gateway(config())
    made.app.add_middleware(Stamped, stamp=b"seen")
    async with gateway(made) as url:
        status, headers, body = await post(url, {**QUESTION, "stream": stream})
        missing = await post(url, {**QUESTION, "model": "nobody"})
    assert (status, headers["x-stamp"]) == (200, "seen")
    assert headers["x-request-id"].startswith("req_")
    assert b"Hello" in body
    assert (missing[0], missing[1]["x-stamp"]) == (404, "seen")


async def test_a_gateway_is_a_handler_for_whoever_opens_it():
    made = Gateway(config())
    async with made.opened():
        assert made.ready
    assert not made.ready
    async with made.opened():
        assert made.ready
