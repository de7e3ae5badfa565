"""A stream of events to the framing, the paths and the event names that read it."""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from dragoman.adapt import facts
from dragoman.adapt.answer import Answered, Options
from dragoman.adapt.asked import CannotAdapt
from dragoman.adapt.guessed import Guessed
from dragoman.adapt.likeness import likeness
from dragoman.adapt.sample import Event, Sample
from dragoman.adapt.texts import Steps, Text, last_name, name_of, path_of, texts_in, value_at, worded, words_of
from dragoman.adapt.vocabulary import BROAD, EVENT_NAMES, FAILED, LAST, PIECES, REASONS

UNNAMED = "message"
"""What a server-sent event is called that has no name."""
SOME_WORDS = "some words of an answer"
MOST_NAMES = 100
"""Different words that may be events' names; where there are more, they are something else."""
MOST_TRACKS = 50
"""Places that are looked at closely."""


@dataclass
class _Track:
    """The texts that stand at one place in the events of one name."""

    name: str
    steps: Steps
    texts: dict[int, str] = field(default_factory=dict)
    likeness: float = 0.0

    @property
    def snapshot(self) -> bool:
        """Each text repeats the one before."""
        texts = [text for text in self.texts.values() if text]
        grows = all(after.startswith(before) for before, after in pairwise(texts))
        return len(texts) > 1 and grows and len(texts[-1]) > len(texts[0])

    @property
    def whole(self) -> str:
        return list(self.texts.values())[-1] if self.snapshot else "".join(self.texts.values())

    @property
    def score(self) -> float:
        repeated = len(self.texts) > 2 and len(set(self.texts.values())) == 1
        words = {*words_of(self.name)}
        natural = worded(self.whole) * (1.0 if len(self.texts) > 1 else 0.5)
        natural *= 2 if words & PIECES else 0.5 if words & LAST else 1
        return 0.0 if repeated else self.likeness * natural * min(len(self.whole) + 40, 4000)


def streamed(sample: Sample, heard: frozenset[str]) -> Answered:
    """How a sample of a stream is read. `heard` are the texts that were asked. Raises CannotAdapt."""
    events = sample.events
    if not any(isinstance(event.value, dict | list) for event in events):
        return _plain(sample)
    names, event_path = _named(events)
    track = _best(events, names, heard)
    told = _events(events, names, track)
    heeded = (event.value for event, name in zip(events, names, strict=True) if not told or name in told)
    values = [value for value in heeded if isinstance(value, dict | list)]
    options: Options = {"framing": sample.kind, **({"event": event_path} if told and event_path else {})}
    if told:
        options["events"] = Guessed(told, "what each event is for, by its name")
    if track.snapshot:
        options["mode"] = Guessed("snapshot", "each event repeats all the text so far")
    options["text"] = Guessed(*_path(track, events))
    options |= _beside(events, values, max(track.texts), "finish" in told.values())
    return Answered(None, options, _text(track, events), facts.session(values))


def _plain(sample: Sample) -> Answered:
    """Events that are texts by themselves."""
    if all(isinstance(event.value, str) for event in sample.events):
        text = "".join(event.value for event in sample.events)
        return Answered(None, {"framing": sample.kind, "text": "@"}, text)
    names = [event.name or UNNAMED for event in sample.events]
    if not 1 < len(set(names)) <= MOST_NAMES:
        return Answered(
            None, {"framing": sample.kind, "format": "text"}, "".join(event.text for event in sample.events)
        )
    track = max((_track_of_name(sample, names, name) for name in {*names}), key=lambda track: len(track.whole))
    told = _events(sample.events, names, track)
    return Answered(None, {"framing": sample.kind, "format": "text", "events": told}, track.whole)


def _track_of_name(sample: Sample, names: list[str], name: str) -> _Track:
    return _Track(name, (), {n: event.text for n, event in enumerate(sample.events) if names[n] == name})


def _named(events: tuple[Event, ...]) -> tuple[list[str], str | None]:
    """Each event's name, and the path of the names where they stand in the JSON."""
    if 1 < len({event.name for event in events}) <= MOST_NAMES:
        return [event.name or UNNAMED for event in events], None
    for key in EVENT_NAMES:
        names = [event.value.get(key) if isinstance(event.value, dict) else None for event in events]
        said = [name if isinstance(name, str) and len(name) < 64 else "" for name in names]
        if 1 < len({*said} - {""}) <= MOST_NAMES and all(
            name or names[place] is None for place, name in enumerate(said)
        ):
            return said, key
    return ["" for _ in events], None


def _best(events: tuple[Event, ...], names: list[str], heard: frozenset[str]) -> _Track:
    """The place whose texts, put together, are likeliest the answer."""
    tracks: dict[tuple[str, Steps], _Track] = {}
    for number, (event, name) in enumerate(zip(events, names, strict=True)):
        for text in texts_in(event.value):
            track = tracks.setdefault((name, text.steps), _Track(name, text.steps))
            track.texts[number] = text.text
    longest = sorted(tracks.values(), key=lambda track: -sum(map(len, track.texts.values())))[:MOST_TRACKS]
    for track in longest:
        track.likeness = _likeness(track, events, heard)
        _fill(track, events, names)
    best = max(longest, key=lambda track: track.score, default=None)
    if best is None or not best.score:
        raise CannotAdapt("The sample's events have no text that could be an answer; give one where it answered.")
    alike = [track for track in longest if track.likeness and track.whole.strip() == best.whole.strip()]
    return max(alike, key=lambda track: len(track.texts))  # of the same text the pieces, not its repetition


def _fill(track: _Track, events: tuple[Event, ...], names: list[str]) -> None:
    """Adds the texts that are only white space."""
    for number, name in enumerate(names):
        if name == track.name and isinstance(text := value_at(events[number].value, track.steps), str):
            track.texts[number] = text
    track.texts = dict(sorted(track.texts.items()))


def _likeness(track: _Track, events: tuple[Event, ...], heard: frozenset[str]) -> float:
    """How likely the place is by its name and neighbours, whatever its words: 0 for never."""
    if track.whole.strip() in heard:
        return 0.0
    return likeness(Text(track.steps, SOME_WORDS), events[min(track.texts)].value)


def _path(track: _Track, events: tuple[Event, ...]) -> tuple[str, str]:
    """The path of the text in each event, and why it is this one."""
    path, why = path_of(track.steps), "put together it is the longest text"
    if _specials(track, events):
        mark = path_of((*track.steps[:-1], "special"))
        return f"[@][?!({mark})].{path} | [0]", f"{why}; special tokens are not text"
    return path, why


def _specials(track: _Track, events: tuple[Event, ...]) -> set[int]:
    """The events whose text is a token that nobody says, such as an end mark."""
    mark = (*track.steps[:-1], "special")
    return {number for number in track.texts if value_at(events[number].value, mark) is True}


def _text(track: _Track, events: tuple[Event, ...]) -> str:
    hidden = _specials(track, events)
    return track.whole if not hidden else "".join(text for n, text in track.texts.items() if n not in hidden)


def _beside(events: tuple[Event, ...], values: list[Any], last_text: int, ended: bool) -> Options:
    """What else can be read from the events."""
    at = [event.value for event in events]
    read = {
        "reasoning": facts.reasoning(values),
        "finish": None if ended else facts.streamed_finish(at, last_text),
        "usage": facts.usage(values),
        "error": facts.error(values),
    }
    return {key: path for key, path in read.items() if path}


def _events(events: tuple[Event, ...], names: list[str], track: _Track) -> dict[str, str]:
    """What each name of an event is for; empty where the paths alone tell it."""
    kinds = list(dict.fromkeys(names))
    if len(kinds) < 2:
        return {}
    purposes = {name: _purpose(name, events, names, track) for name in kinds if name}
    told = {name: purpose for name, purpose in purposes.items() if purpose}
    return {**told, **({} if "error" in told.values() else {"error": "error"})} if _needed(events, track, told) else {}


def _needed(events: tuple[Event, ...], track: _Track, told: dict[str, str]) -> bool:
    """Whether the paths alone would take something for text, miss the end, or find events that are not JSON."""
    elsewhere = [event for number, event in enumerate(events) if number not in track.texts]
    mistaken = any(isinstance(value_at(event.value, track.steps), str | dict | list) for event in elsewhere)
    broad = len(track.steps) == 1 and name_of(track.steps[0]) in BROAD
    values = [event.value for event in events]
    ends = "finish" in told.values() and not facts.streamed_finish(values, max(track.texts))
    return mistaken or broad or ends or any(not isinstance(value, dict | list) for value in values)


def _purpose(name: str, events: tuple[Event, ...], names: list[str], track: _Track) -> str | None:
    """What the events of a name are for; None if they are for nothing."""
    places = [number for number, other in enumerate(names) if other == name]
    values = [events[number].value for number in places]
    if name == track.name:
        return "text"
    if FAILED.intersection(words_of(name)):
        return "error"
    if places[0] > max(track.texts) and LAST.intersection(words_of(name)) and places[-1] == len(names) - 1:
        return "finish"
    repeats = any(value_at(value, track.steps) not in (None, "", False) for value in values)
    tells = facts.usage(values) or facts.reasoning(values) or facts.session(values) or _reason(values)
    return "all" if tells and not repeats else None


def _reason(values: list[Any]) -> bool:
    return any(last_name(text.steps) in REASONS for value in values for text in texts_in(value))
