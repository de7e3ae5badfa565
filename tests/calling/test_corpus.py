"""What models really say: how much of it is read right, which the documentation quotes."""

import json
import re
from pathlib import Path

import pytest
import yaml

from dragoman.calling.reading import Argued, Broken, Called, Calls, Ended, Said, Unknown
from dragoman.documents import Document, kind_of, meant, refuses, said
from dragoman.schemas import compiled

CORPUS = Path(__file__).parent / "corpus"
CATALOGUE = yaml.safe_load((CORPUS / "catalogue.yaml").read_text())
THEMES = [file for file in sorted(CORPUS.glob("*.yaml")) if file.stem != "catalogue"]
OUTPUTS = [entry for file in THEMES for entry in yaml.safe_load(file.read_text())]
ANSWERS = [entry for file in sorted(CORPUS.glob("documents/*.yaml")) for entry in yaml.safe_load(file.read_text())]
GUIDE = Path(__file__).parents[2] / "docs/abilities.md"
WANTED = 0.98
ANY = {"type": "object"}


def read(entry):
    """The text before the first call, the calls, the unknown tools, and whether the last call was cut off."""
    kinds = {name: CATALOGUE[name]["type"] for name in entry["tools"]}
    reading = Calls(kinds, {name: CATALOGUE[name].get("parameters", {}) for name in kinds if kinds[name] == "function"})
    text, calls, unknown, cut = "", [], [], False
    for event in [*reading.feed(entry["says"]), *reading.end()]:
        match event:
            case Said(piece):
                text += "" if calls else piece
            case Called(name):
                calls.append([name, ""])
            case Argued(piece):
                calls[-1][1] += piece
            case Ended(cut, _):
                pass
            case Unknown(name, _):
                unknown.append(name)
            case Broken() if not entry.get("cut"):  # of what broke off nothing can be made; it is asked for again
                unknown.append("broken")
    return text.strip(), [_made(name, said, kinds) for name, said in calls], unknown, cut


def _made(name, said, kinds):
    return {"name": name, "arguments": json.loads(said)} if kinds[name] == "function" else {"name": name, "input": said}


def wrong(entry):
    """What is not as expected; None if all is."""
    text, calls, unknown, cut = read(entry)
    expected = [{"name": call["name"], **_given(call)} for call in entry["calls"]]
    if calls != expected:
        return f"calls {calls}"
    if entry.get("text") is not None and text != entry["text"].strip() and not unknown:
        return f"text {text!r}"
    if unknown != entry.get("unknown", []):
        return f"unknown {unknown}"
    return "not cut" if calls and entry.get("cut") and not cut else None


def _given(call):
    return {"input": call["input"]} if "input" in call else {"arguments": call.get("arguments") or {}}


def document(entry):
    """The document or the refusal in what is said; None if it has to be asked for again."""
    kind, schema = kind_of(entry["schema"]), compiled(entry["schema"] or ANY, "schema")
    begun = Document(kind)
    told = begun.feed(entry["says"])
    if begun.refusing:
        return {"refusal": told}
    written = meant(entry["says"], kind, lambda value: schema.problem(value) is None)
    if written is not None:
        return {"document": json.loads(written)}
    return {"refusal": entry["says"].strip()} if not begun.found and refuses(said(entry["says"])) else None


def mistaken(entry):
    told = document(entry)
    if entry.get("invalid"):
        return None if told is None else f"{told}"
    if "refusal" in entry:
        return None if told and "refusal" in told else f"{told}"
    return None if told == {"document": entry["document"]} else f"{told}"


def share(entries, judge):
    """How many are read right, of how many, and what the others were."""
    wrongs = [f"{entry['habit']}: {problem}" for entry in entries if (problem := judge(entry))]
    return len(entries) - len(wrongs), len(entries), wrongs


def shares():
    return share(OUTPUTS, wrong), share(ANSWERS, mistaken)


def told():
    """The sentence that the guide has."""
    (calls, outputs, _), (right, answers, _) = shares()
    return (
        f"The reader is held to {outputs} outputs written after the habits of many models, of which it reads "
        f"{calls / outputs:.1%} as a human would, and to {answers} answers to a schema, of which it reads "
        f"{right / answers:.1%}; it was improved by what it misread of them, so an unknown model may fare worse."
    )


@pytest.mark.parametrize("place", [0, 1], ids=["calls", "documents"])
def test_nearly_all_of_it_is_read_right(place):
    right, of, wrongs = shares()[place]
    assert of >= 90
    assert right / of >= WANTED, "\n".join(wrongs)


def test_the_guide_tells_how_much():
    assert told() in re.sub(r"\s+", " ", GUIDE.read_text())


@pytest.mark.parametrize("size", [1, 3, 7])
def test_what_comes_in_pieces_is_read_alike(size):
    for entry in OUTPUTS:
        kinds = {name: CATALOGUE[name]["type"] for name in entry["tools"]}
        whole, pieces = Calls(kinds), Calls(kinds)
        says = entry["says"]
        cut = [says[place : place + size] for place in range(0, len(says), size)]
        events = [event for piece in cut for event in pieces.feed(piece)] + pieces.end()
        assert folded(events) == folded([*whole.feed(says), *whole.end()]), entry["habit"]


def folded(events):
    """The events with their neighbours joined."""
    joined = []
    for event in events:
        if isinstance(event, Said | Argued) and joined and type(joined[-1]) is type(event):
            joined[-1] = type(event)(joined[-1].text + event.text)
        else:
            joined.append(event)
    return joined
