"""What a backend cannot do, made from what it can."""

from collections.abc import AsyncIterator

from dragoman.abilities import (
    ABILITIES,
    ASKED,
    KINDS,
    OF_TEXTS,
    PARAMETERS,
    PARTS,
    Ability,
    Asking,
    Supplied,
    Treatment,
)
from dragoman.asked import TOKENS
from dragoman.call import Call, Chunk, Handler, Middleware, Telling, stack
from dragoman.counting import opened as counter_of
from dragoman.emulation.choices import chosen
from dragoman.emulation.developer import renamed
from dragoman.emulation.dimensions import shortened
from dragoman.emulation.functions import translated
from dragoman.emulation.history import told
from dragoman.emulation.ignored import ignored
from dragoman.emulation.json_schema import structured
from dragoman.emulation.max_tokens import limited
from dragoman.emulation.reasoning import thought
from dragoman.emulation.stop import stopped
from dragoman.emulation.stream import streamed
from dragoman.emulation.system import folded
from dragoman.emulation.token_arrays import decoded
from dragoman.emulation.tools import called
from dragoman.emulation.usage import counted
from dragoman.errors import Unable
from dragoman.ground import Backend
from dragoman.wire.chat import ChatRequest

__all__ = ["completed"]

ORDER: tuple[Ability, ...] = (
    "chat",
    "embeddings",
    "moderations",
    "n",  # outermost: each choice is asked for, cut, read and counted on its own
    "usage",  # counts what is left after the cut, and what all attempts below have used
    "token_prompts",  # all below read text, but for who counts: the tokens are known
    "token_inputs",
    "dimensions",
    "stop",  # cuts what the caller would see, and not the notation of calls and documents inside
    "functions",  # the old words for tools
    "json_schema",  # judges what is left once the calls are taken out
    "json_object",
    "tools",
    "logprobs",
    "audio_output",
    "prediction",
    "web_search",
    "images",
    "audio",
    "files",
    "developer",  # a system message first, then perhaps folded
    "history",  # one message of all that the others have rewritten
    "system",  # folds into it what tools and documents have added to the instructions, too
    "reasoning",  # nobody above reads thoughts as text
    "max_tokens",  # counts all that the backend says: notation and thoughts, too
    "stream",  # innermost: whole text is cut into pieces before anybody reads it
)
"""From the caller to the backend."""

REWRITES: frozenset[Ability] = frozenset({"tools", "functions", "json_object", "json_schema"})
"""What makes something else of the text."""
CUTS: frozenset[Ability] = frozenset({"stop", "max_tokens"})
"""What ends an answer before the backend does, and with it the backend's own count."""
IN_TEXT: frozenset[Ability] = REWRITES | CUTS | {"reasoning"}
"""What reads the text of one choice."""
UNTOLD: frozenset[Ability] = frozenset({"stream", "usage"})
"""What nobody misses when it is ignored."""

CANNOT: dict[Ability, str] = {
    "stream": "stream",
    "n": "give several choices",
    "stop": "stop at words",
    "max_tokens": "limit its answers",
    "usage": "count tokens",
    "tools": "call tools",
    "functions": "call functions",
    "json_object": "be held to JSON",
    "json_schema": "follow a JSON schema",
    "system": "take system messages",
    "developer": "take developer messages",
    "history": "take earlier messages",
    "images": "see images",
    "audio": "hear audio",
    "files": "read files",
    "logprobs": "give log probabilities",
    "audio_output": "speak",
    "prediction": "take a prediction",
    "web_search": "search the web",
    "reasoning": "show reasoning",
    "token_prompts": "read token arrays",
    "chat": "chat",
    "embeddings": "embed texts",
    "dimensions": "shorten its embeddings",
    "token_inputs": "read token arrays",
    "moderations": "moderate",
}
"""What a model is told to be unable to do."""

MOST_ROADS = 1000
"""Roads that are kept; callers choose what they ask for."""

Asked = frozenset[tuple[Ability, Treatment]]


def completed(handler: Handler, backend: Backend, model: Supplied, name: str) -> Handler:
    """A backend's handler with what it lacks added; what is native, or not asked for, costs nothing.

    `name` is the backend's, for those who are refused. Raises ConfigError.
    """
    completing = _Completing(handler, backend, backend.under(model), name)
    return completing.handle if completing.lacking else handler


class _Completing:
    """A backend's handler, and the roads to it: one for every set of abilities that calls have asked for."""

    def __init__(self, handler: Handler, backend: Backend, supplied: Supplied, name: str) -> None:
        self._handler, self._name = handler, name
        self._treatments = supplied.treatments(backend.native)
        if backend.pace:
            self._treatments["stream"] = "emulate"
        self.lacking = [(ability, ASKED[ability]) for ability in ABILITIES if self._treatments[ability] != "native"]
        """What it lacks, and how that is asked for."""
        self._of_texts = [lacked for lacked in self.lacking if lacked[0] in OF_TEXTS]
        self._makes = _made(backend, supplied, self._treatments)
        self._roads: dict[Asked, Handler] = {}

    def handle(self, call: Call) -> AsyncIterator[Chunk]:
        """Goes the road that has what this call asks for."""
        asking = Asking(call.request)
        lacking = self.lacking if asking.talks else self._of_texts
        asked = {ability: self._treatments[ability] for ability, asks in lacking if asks(asking)}
        if not IN_TEXT.isdisjoint(asked):
            self._imply(asked, asking)
        key = frozenset(asked.items())
        road = self._roads.get(key)
        if road is None:
            if len(self._roads) >= MOST_ROADS:
                self._roads.clear()
            road = self._roads[key] = self._road(key)
        return road(call)

    def _imply(self, asked: dict[Ability, Treatment], asking: Asking) -> None:
        """Adds what those who read or rewrite the text need around them, and cannot leave to the backend."""
        made = {ability for ability, treatment in asked.items() if treatment == "emulate"}
        needed: list[Ability] = ["n"] if made & IN_TEXT else []
        if made & REWRITES:
            asked |= {each: "emulate" for each in ("system", "history") if self._treatments[each] != "native"}
            needed.append("stop")
        if "functions" in made and self._treatments["tools"] != "native":
            asked.setdefault("tools", self._treatments["tools"])
        if made & CUTS or ("stop" in needed and asking.request.stop):
            needed.append("usage")
        for ability in needed:
            if ASKED[ability](asking):
                asked.setdefault(ability, "emulate")

    def _road(self, asked: Asked) -> Handler:
        treated = dict(asked)
        if refused := [ability for ability in ORDER if treated.get(ability) == "reject"]:
            return _refusing(refused[0], self._name)
        layers = [self._layer(ability, treated[ability]) for ability in ORDER if ability in treated]
        if "stop" in treated and treated.keys() & REWRITES:
            layers.append(ignored("stop"))  # a backend that knows stop words would find them in the notation
        emulated = ",".join(sorted(ability for ability in treated if treated[ability] == "emulate"))
        left_out = [ability for ability in ABILITIES if treated.get(ability) == "ignore" and ability not in UNTOLD]
        return _telling(stack(self._handler, layers), emulated, left_out)

    def _layer(self, ability: Ability, treatment: Treatment) -> Middleware:
        return self._makes[ability] if treatment == "emulate" else ignored(ability)


def _made(backend: Backend, supplied: Supplied, treatments: dict[Ability, Treatment]) -> dict[Ability, Middleware]:
    """What makes each ability."""
    counter, emulation = counter_of(supplied.tokens), supplied.emulation
    json = structured(emulation.json_, backend.limit, treatments["json_object"] == "native")
    return {
        "n": chosen(emulation.n.limit),
        "usage": counted(counter),
        "stop": stopped,
        "functions": translated,
        "json_schema": json,
        "json_object": json,
        "tools": called(emulation.tools, backend.limit),
        "developer": renamed,
        "system": folded(treatments["history"] == "native"),
        "history": told,
        "reasoning": thought,
        "max_tokens": limited(counter),
        "token_prompts": decoded(supplied.tokens),
        "token_inputs": decoded(supplied.tokens),
        "dimensions": shortened,
        "stream": streamed(backend.pace, "stream" not in backend.native),
    }


def _refusing(ability: Ability, name: str) -> Handler:
    def refuse(call: Call) -> AsyncIterator[Chunk]:
        cannot = f"This model cannot {CANNOT[ability]}: its backend, '{name}', is not able to."
        if ability in KINDS:
            raise Unable(f"{cannot} Ask another model.", param="model", code="unsupported_model")
        given = [field for field in PARAMETERS.get(ability, ()) if getattr(call.request, field) is not None]
        raise Unable(
            f"{cannot} Ask without {f'`{given[0]}`' if given else 'that'}, or ask another model.",
            param=given[0] if given else _place(ability, call.request),
            code="unsupported_parameter" if given else "unsupported_content",
        )

    return refuse


def _place(ability: Ability, request: ChatRequest) -> str:
    """Where in the messages a part asks for an ability."""
    for place, message in enumerate(request.messages):
        content = message.get("content")
        for inside, part in enumerate(content if isinstance(content, list) else ()):
            if part["type"] == (TOKENS if ability in ("token_prompts", "token_inputs") else PARTS.get(ability)):
                return request.where(place, inside)
    return "messages"


class _Told(Telling):
    """Adds to what the backend says itself."""

    __slots__ = ()

    async def _first(self, facts: dict[str, str]) -> Chunk:
        chunk = await super()._first({})
        about = chunk.about or {}
        chunk.about = {
            **about,
            **{name: f"{about[name]},{facts[name]}" if name in about else facts[name] for name in facts},
        }
        return chunk


def _telling(handler: Handler, emulated: str, left_out: list[Ability]) -> Handler:
    """Says in the answer's headers what was emulated, and what was left out."""
    facts = {"emulated": emulated} if emulated else {}
    if not left_out:
        return lambda call: _Told(handler(call), facts)
    return lambda call: _Told(handler(call), facts | {"ignored": _ignored(call.request, left_out)})


def _ignored(request: ChatRequest, abilities: list[Ability]) -> str:
    named = (
        [field for field in PARAMETERS[ability] if getattr(request, field) is not None]
        if ability in PARAMETERS
        else [ability]
        for ability in abilities
    )
    return ",".join(sorted({name for names in named for name in names}))
