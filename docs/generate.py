"""Writes what the documentation says of options and presets from the source: `.venv/bin/python docs/generate.py`.

Between `<!-- options: NAME -->` and `<!-- end -->` stands the table of the options that a model in
`dragoman schema` has, between `<!-- abilities -->` and `<!-- end -->` what backends of every kind have and lack; each
file in `presets/` is one preset.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dragoman.abilities import ABILITIES, Supplied, sensible
from dragoman.config import Config
from dragoman.preset import names, preset, source

DOCS = Path(__file__).parent
TABLE = re.compile(r"(<!-- options: ([\w, -]+) -->\n).*?(<!-- end -->)", re.DOTALL)
ABLE = re.compile(r"(<!-- abilities -->\n).*?(<!-- end -->)", re.DOTALL)
SCHEMA = Config.model_json_schema()
KINDS: dict[str, dict[str, Any]] = {
    "`openai`": {"kind": "openai", "url": "http://chat.example/v1"},
    "`http`, a text in and out": {
        "kind": "http",
        "url": "http://chat.example",
        "request": {"text": "{{ last_user }}"},
        "response": {"text": "reply"},
    },
    "`http`, `turns` and `system`, SSE": {
        "kind": "http",
        "url": "http://chat.example",
        "request": {"turns": "{{ turns }}", "system": "{{ system }}"},
        "stream": {"framing": "sse", "text": "delta"},
    },
    "`http`, everything mapped": {
        "kind": "http",
        "url": "http://chat.example",
        "request": {
            **{name: f"{{{{ {name} }}}}" for name in ("messages", "tools", "functions", "stop", "max_tokens")},
            **{name: f"{{{{ {name} }}}}" for name in ("response_format", "logprobs", "audio", "prediction")},
        },
        "response": {"text": "reply", "usage": {"total": "tokens"}, "tool_calls": {"path": "calls"}},
        "stream": {"framing": "sse", "text": "delta"},
    },
    "`http`, embeddings alone": {
        "kind": "http",
        "embeddings": {
            "url": "http://chat.example",
            "request": {"texts": "{{ input }}"},
            "response": {"vectors": "vectors"},
        },
    },
    "`python`": {"kind": "python", "target": "builtins:print"},
    "`demo`": {"kind": "demo"},
}
"""Backends of every kind, as the table of abilities shows them."""


def pages() -> Iterator[tuple[Path, str]]:
    """Every page that is written, or has a part that is, with what should stand there."""
    for file in sorted(DOCS.glob("*.md")):
        text = file.read_text()
        if TABLE.search(text) or ABLE.search(text):
            yield file, ABLE.sub(_able, TABLE.sub(_filled, text))
    yield DOCS / "presets.md", _index()
    for name in names():
        yield DOCS / "presets" / f"{name}.md", _page(name)


def _filled(match: re.Match[str]) -> str:
    """`NAME`, or `NAME without KEY, KEY`."""
    model, _, without = match[2].partition(" without ")
    return f"{match[1]}\n{_table(model, set(without.split(', ')))}\n{match[3]}"


def _able(match: re.Match[str]) -> str:
    """What is done about each ability by default, by kinds of backends."""
    config = Config.of(
        {"backends": {str(place): kind for place, kind in enumerate(KINDS.values())}, "models": {"m": "0"}}
    )
    columns = [sensible(backend.under(Supplied()).treatments(backend.native)) for backend in config.backends.values()]
    rows = [f"| `{ability}` | {' | '.join(column.get(ability, '') for column in columns)} |" for ability in ABILITIES]
    head = [f"| ability | {' | '.join(KINDS)} |", f"|---|{'---|' * len(KINDS)}"]
    return "\n".join([match[1], *head, *rows, "", match[2]])


def _table(model: str, without: set[str]) -> str:
    schema = SCHEMA["$defs"][model]
    required = schema.get("required", ())
    rows = [
        f"| `{key}` | {_type(option)} | {_default(key, option, required)} | {_text(option)} |"
        for key, option in sorted(schema["properties"].items(), key=lambda item: item[0] not in required)
        if key not in without
    ]
    return "\n".join(["| key | takes | default | is |", "|---|---|---|---|", *rows, ""])


def _text(option: dict[str, Any]) -> str:
    return re.sub(r"\s+", " ", option.get("description", "")).replace("|", "\\|")


def _default(key: str, option: dict[str, Any], required: list[str]) -> str:
    if key in required:
        return "required"
    default = option.get("default")
    if default in (None, "", [], {}) or isinstance(default, dict) or "\n" in str(default):
        return ""
    return f"`{_plain(default, option.get('examples', ['']))}`"


def _plain(value: Any, examples: list[str]) -> str:
    match examples[0], value:
        case _, bool():
            return str(value).lower()
        case "20s" | "30d", _:
            return f"{value:g}s" if value % 86400 else f"{value / 86400:g}d"
        case "8MiB", _:
            return f"{value >> 20}MiB" if value >= 1 << 20 else f"{value >> 10}KiB"
        case _, float():
            return f"{value:g}"
    return str(value)


def _type(option: dict[str, Any]) -> str:
    """What a key takes, in a few words."""
    if "$ref" in option:
        return f"`{{{', '.join(_keys(option['$ref']))}}}`"
    if "discriminator" in option:
        kinds = option["discriminator"]["mapping"]
        return "`kind`: " + ", ".join(f"`{kind}`" for kind in kinds)
    if "anyOf" in option:
        kinds = [_type(branch) for branch in option["anyOf"] if branch.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    if "examples" in option:
        return f"such as `{option['examples'][0]}`"
    if "enum" in option:
        return ", ".join(f"`{word}`" for word in option["enum"])
    if "const" in option:
        return f"`{option['const']}`"
    named = {"string": "text", "integer": "number", "number": "number", "boolean": "true or false", "array": "list"}
    return named.get(option.get("type", ""), "mapping" if option.get("type") == "object" else "anything")


def _keys(ref: str) -> list[str]:
    definition = SCHEMA["$defs"][ref.rpartition("/")[2]]
    return list(definition.get("properties", ())) or [str(definition.get("title", "…"))]


def _index() -> str:
    rows = [f"| [`{name}`](presets/{name}.md) | {preset(name).about} | {_takes(name)} |" for name in names()]
    return f"""# Presets

Chat APIs that dragoman knows by name. A preset is YAML and nothing else: `dragoman presets show NAME` prints one to
copy and change, and every key that a preset does not take itself is put over what it says.

```yaml
backends:
  local: {{preset: ollama, url: "http://127.0.0.1:11434", timeout: {{first: 2m}}}}
models:
  llama: {{backend: local, model: llama3.2}}
```

| preset | is | takes |
|---|---|---|
{chr(10).join(rows)}
"""


def _takes(name: str) -> str:
    return ", ".join(
        f"`{key}`" if parameter.default is None and not parameter.optional else f"`{key}` (optional)"
        for key, parameter in preset(name).takes.items()
    )


def _page(name: str) -> str:
    known = preset(name)
    takes = [
        f"| `{key}` | {parameter.about} | {_given(parameter.default, parameter.optional)} |"
        for key, parameter in known.takes.items()
    ]
    required = [
        f'{key}: "${{{name.upper()}_{key.upper()}}}"' if parameter.secret else f"{key}: …"
        for key, parameter in known.takes.items()
        if parameter.default is None and not parameter.optional
    ]
    return f"""# {name}

{known.about}. It follows <{known.docs}>.

```yaml
backends:
  {name}: {{{", ".join([f"preset: {name}", *required])}}}
models:
  my-model: {{backend: {name}, model: …}}
```

| takes | is | default |
|---|---|---|
{chr(10).join(takes)}

{known.notes.strip()}

## What it says

```yaml
{source(name).strip()}
```
"""


def _given(default: Any, optional: bool) -> str:
    return "none" if default is None and optional else "required" if default is None else f"`{default}`"


def main() -> int:
    """Writes the pages; with `--check` it only says which are old."""
    old = [(file, text) for file, text in pages() if not file.exists() or file.read_text() != text]
    strays = {file for file in (DOCS / "presets").glob("*.md") if file.stem not in names()}
    for file, text in old:
        if "--check" not in sys.argv:
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)
    for file in strays:
        if "--check" not in sys.argv:
            file.unlink()
    sys.stderr.writelines(f"{file.name} is old\n" for file in [*(file for file, _ in old), *strays])
    return int(bool(old or strays) and "--check" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
