"""Finds in a request what is asked: the prompt, and the history that stands beside it."""

import re
from dataclasses import dataclass
from typing import Any

from dragoman.adapt.asked import CannotAdapt, literal
from dragoman.adapt.expressions import expression_of
from dragoman.adapt.texts import LONG, Text, last_name, name_of, texts_in, worded
from dragoman.adapt.turns import History, Turn, history_in
from dragoman.adapt.vocabulary import ASIDE, COMPLETIONS, MODELS, PROMPTS, PROMPTS_MAYBE, SESSIONS, SYSTEMS, USERS

STRICT = frozenset({"prompt", "message", "query", "question", "q", "user_input", "input_value", "chat_input"})
"""Names of a prompt that may stand beside a history that holds it already."""
NEVER = MODELS | SESSIONS | SYSTEMS | USERS

_SPEAKERS = re.compile(
    r"(?P<before>\s*)(?P<user>(?:###\s*)?(?:Human|User|USER|You|Q|Question|Customer|Instruction))\s?:\s(?P<asked>.*?)"
    r"(?<!\n)(?P<between>\n++)(?P<bot>(?:###\s*)?(?:Assistant|AI|Bot|ASSISTANT|A|Answer|Agent|Response|Chatbot))\s?:\s*",
    re.DOTALL,
)
_MARKS = re.compile(
    r"(?P<before>(?:<s>)?\s*\[INST\]\s*+|(?:<\|begin_of_text\|>)?<\|start_header_id\|>user<\|end_header_id\|>\s*+"
    r"|<\|im_start\|>user\s*+|<start_of_turn>user\s*+|<\|user\|>\s*+)(?P<asked>.*?)"
    r"(?<!\s)(?P<after>\s*+(?:\[/INST\]|<\|eot_id\|>|<\|im_end\|>|<end_of_turn>|<\|end\|>|</s>).*)",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Question:
    """What a request asks."""

    history: History | None = None
    prompt: Text | None = None
    """The text that is the question by itself."""
    guess: str = ""
    """Why the prompt is thought to be one."""

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The conversation, whose last turn is the question."""
        before = self.history.turns if self.history else ()
        if self.prompt is None or (self.history and self.history.open):
            return before
        return (*before, ("user", _asked(self.prompt.text)))

    @property
    def heard(self) -> frozenset[str]:
        texts = [text for _, text in self.turns] + ([self.prompt.text] if self.prompt else [])
        return frozenset(text.strip() for text in texts)


def question(value: Any) -> Question:
    """What a request's JSON asks. Raises CannotAdapt if nothing in it looks like a question."""
    history = history_in(value)
    prompt, guess = _prompt(value, history)
    if history is None and prompt is None:
        raise CannotAdapt(
            "Nothing in the request looks like a question; paste a command that asks one in words, such as “Hello”."
        )
    return Question(history, prompt, guess)


def _prompt(value: Any, history: History | None) -> tuple[Text | None, str]:
    texts = [text for text in texts_in(value) if last_name(text.steps) not in NEVER and not instructs(text)]
    if history:
        texts = [text for text in texts if text.steps[: len(history.steps)] != history.steps]
        texts = [text for text in texts if last_name(text.steps) in (STRICT if history.open else PROMPTS)]
    rated = [(_likeness(text), text) for text in texts]
    score, best = max(rated, key=lambda pair: pair[0], default=(0.0, None))
    if not score or best is None:
        return None, ""
    known = last_name(best.steps) in PROMPTS | PROMPTS_MAYBE
    return best, "the question, by its name" if known else "the question, as the longest text"


def instructs(text: Text) -> bool:
    """Whether it is a text of instructions, by the names around it."""
    return any(name_of(step) in SYSTEMS for step in text.steps if isinstance(step, str))


def _likeness(text: Text) -> float:
    name = last_name(text.steps)
    if name in PROMPTS:
        return 8 * (worded(text.text) + 0.1) * (min(len(text.text), LONG) + 40) / (1 + 0.1 * len(text.steps))
    weight = 3 if name in PROMPTS_MAYBE else 0.1 if name in ASIDE else 0.5
    words = worded(text.text) if name in PROMPTS_MAYBE else worded(text.text) == 1
    return weight * words * (min(len(text.text), LONG) + 40)


def asking(prompt: Text, question: Question, session: bool) -> tuple[str, str]:
    """The template of the prompt's text, and why it is this one."""
    if question.history:
        return "{{ (new_turns | last).content }}" if session else "{{ last_user }}", question.guess
    if marked := _MARKS.fullmatch(prompt.text):
        return f"{literal(marked['before'])}{{{{ prompt }}}}{literal(marked['after'])}", question.guess
    if spoken := _SPEAKERS.fullmatch(prompt.text):
        return _spoken(spoken), "the conversation, written as it was there"
    if last_name(prompt.steps) in COMPLETIONS and not session:
        return "{{ prompt }}", f"{question.guess}, with the conversation before it"
    more = "" if session else "; `{{ prompt }}` would tell what was said before it"
    return "{{ last_user }}", question.guess + more


def _spoken(match: re.Match[str]) -> str:
    user, assistant = (expression_of(f"{match[who]}: ") for who in ("user", "bot"))
    turns = f"turns | join_turns(user={user}, assistant={assistant}, sep={expression_of(match['between'])})"
    return f"{match['before']}{{{{ {turns} }}}}{match['between']}{match['bot']}:"


def _asked(prompt: str) -> str:
    """The question without what models want to see around it."""
    match = _MARKS.fullmatch(prompt) or _SPEAKERS.fullmatch(prompt)
    return match["asked"].strip() if match else prompt
