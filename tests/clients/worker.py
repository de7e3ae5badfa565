"""A stand-in for a model that works: it does a task with whatever tools it is told of, and writes nothing but text."""

import json
import re
from pathlib import Path
from shlex import quote

from tests.clients.model import Prompt, Schema, block, blocks, filled, telling

_TASK = re.compile(r"Create the file (\S+) that says: (.+?)\. Then read it\.")
_RESULT = re.compile(r'<tool_result name="\w+">\n(.*?)\n</tool_result>', re.DOTALL)
_COMMAND = {"cmd", "command"}
_PLACE = {"file_path", "path"}
_CONTENT = {"content", "contents"}
_PATCH = "*** Begin Patch\n*** Add File: {path}\n+{words}\n*** End Patch\n"
_SCRIPT = "text((await tools.exec_command({{cmd: {command}}})).output)"


def task(path: Path, words: str) -> str:
    return f"Create the file {path} that says: {words}. Then read it."


def step(text: str) -> str:
    """What the model says next: that the file be written, that it be read, and last what it says."""
    prompt, found = Prompt(text), _TASK.search(text)
    if not found:
        return "Nothing is to be done."
    path, words = found.groups()
    results = _RESULT.findall(text)
    if not results:
        call = _writing(prompt, path, words) or _running(prompt, f"echo {quote(words)} > {path}")
        return f"I will write it.\n{call}"
    if len(results) == 1:
        return _running(prompt, f"cat {path}")
    return f"It says: {results[1].strip().splitlines()[-1]}"


def _writing(prompt: Prompt, path: str, words: str) -> str:
    """A call of a tool that writes files or patches them, if there is one."""
    for name, schema in prompt.tools.items():
        if (place := _one(schema, _PLACE)) and (content := _one(schema, _CONTENT)):
            return _call(name, schema, {place: path, content: words})
    patching = next((name for name in prompt.written if "patch" in name), None)
    return block(name=patching, input=_PATCH.format(path=path, words=words)) if patching else ""


def _running(prompt: Prompt, command: str) -> str:
    """A call of a tool that runs commands, or a script that calls one."""
    for name, schema in prompt.tools.items():
        if parameter := _one(schema, _COMMAND):
            return _call(name, schema, {parameter: command})
    name = next(name for name, told in prompt.written.items() if "JavaScript" in told)
    return block(name=name, input=_SCRIPT.format(command=json.dumps(command)))


def _one(schema: Schema, names: set[str]) -> str | None:
    """The tool's parameter of one of the names that takes a text."""
    parameters = schema.get("properties", {})
    return next((name for name in names if parameters.get(name, {}).get("type") == "string"), None)


def _call(name: str, schema: Schema, arguments: dict[str, str]) -> str:
    """A call with what else the tool must be given."""
    properties = schema["properties"]
    needed = {each: filled(properties[each], schema) for each in schema.get("required", ())}
    return blocks([(name, {**needed, **arguments})])


working = telling(lambda asked: step(asked["prompt"]))
"""A chat API in front of it."""
