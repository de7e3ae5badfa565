"""What is heard in a text, in few words: [name, arguments] for a call, text for what is said."""

import json

from hypothesis import strategies as st

from dragoman.calling.reading import Argued, Broken, Called, Calls, Ended, Said, Unknown

WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}, "places": {"type": "array"}},
    "required": ["city"],
}
SCHEMAS = {"get_weather": WEATHER}
TOOLS = {"get_weather": "function", "now": "function", "shell": "custom"}


def events(*pieces, tools=TOOLS, schemas=SCHEMAS):
    """The events, with neighbours joined, and whether the model went on with results."""
    calls = Calls(tools, schemas)
    return joined([*(event for piece in pieces for event in calls.feed(piece)), *calls.end()]), calls.over


def joined(events):
    told = []
    for event in events:
        if told and isinstance(event, Said | Argued) and type(told[-1]) is type(event):
            told[-1] = type(event)(told[-1].text + event.text)
        else:
            told.append(event)
    return told


def heard(text, **about):
    """What the whole text holds, which is what it holds character by character."""
    whole = events(text, **about)
    assert events(*text, **about) == whole
    return [*told(whole[0], about.get("tools", TOOLS))]


def told(events, tools=TOOLS):
    name, given = None, ""
    for event in events:
        match event:
            case Said(text):
                yield text
            case Called(name):
                given = ""
            case Argued(text):
                given += text
            case Ended(cut, in_text):
                arguments = given if tools[name] == "custom" else json.loads(given)
                yield [name, arguments, *(["cut in text"] if in_text else ["cut"] if cut else [])]
            case Unknown(name, text):
                yield {"unknown": name, "text": text}
            case Broken(text):
                yield {"broken": text}


@st.composite
def sliced(draw, texts):
    """A text, and the same in pieces."""
    text = draw(texts)
    places = sorted(draw(st.lists(st.integers(0, len(text)), max_size=8)))
    return text, [text[begin:end] for begin, end in zip([0, *places], [*places, len(text)], strict=True)]
