"""The house holds: rooms on floors, imports point down, siblings are strangers."""

import ast
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import dragoman

ROOT = Path(dragoman.__file__).parent
FLOORS = (
    *(
        "__main__",
        "__init__",
        "cli",
        "trying",
        "adapt",
        "server",
        "life",
        "app",
        "application",
        "reference",
        "entrance",
        "surfaces",
        "catalogue",
        "door",
        "accounts",
        "keyring",
        "gateway",
        "config",
        "about",
    ),
    *(
        "routing",
        "preset",
        "middleware",
        "meter",
        "emulation",
        "backends",
        "mapping",
        "logins",
        "issuer",
        "tokens",
        "ground",
        "again",
        "calling",
        "documents",
        "schemas",
        "mending",
        "websocket",
        "upstream",
    ),
    *(
        "tape",
        "connection",
        "line",
        "outgoing",
        "reach",
        "guard",
        "prompts",
        "together",
        "messages",
        "responses",
        "completion",
        "reading",
        "edge",
        "cors",
        "load",
        "access",
        "limits",
        "logs",
        "call",
    ),
    *("abilities", "counting", "asked", "wire", "shapes", "store", "grants", "vectors"),
    *("templates", "paths", "storage", "names", "errors", "secret", "patience", "json", "ids", "units", "version"),
)
FAMILIES = ("surfaces", "middleware", "emulation", "backends", "logins", "storage", "wire")
MODULES = {file.relative_to(ROOT).with_suffix("").parts: ast.parse(file.read_text()) for file in ROOT.rglob("*.py")}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


@cache
def imports(module):
    """The modules of ours that a module imports."""
    froms = [node for node in ast.walk(MODULES[module]) if isinstance(node, ast.ImportFrom)]
    ours = [(node.module.split("."), node.names) for node in froms if f"{node.module}.".startswith("dragoman.")]
    named = {(*path[1:], name) for path, names in ours for name in ("__init__", *(alias.name for alias in names))}
    return (named | {tuple(path[1:]) for path, _ in ours}) & MODULES.keys()


@pytest.fixture(params=sorted(MODULES), ids=".".join)
def module(request):
    return request.param


def test_every_room_has_a_floor():
    assert {module[0] for module in MODULES} == set(FLOORS)


def test_imports_point_down(module):
    above = [other for other in imports(module) if FLOORS.index(other[0]) < FLOORS.index(module[0])]
    assert above == []


def test_siblings_are_strangers(module):
    siblings = [other for other in imports(module) if other[0] == module[0] and module[0] in FAMILIES]
    assert siblings == [] or module[-1] == "__init__"


def test_no_import_comes_back_to_where_it_began():
    TopologicalSorter({module: imports(module) for module in MODULES}).prepare()


def test_imports_are_whole_and_stand_on_top(module):
    nodes = list(ast.walk(MODULES[module]))
    inside = [ast.unparse(node) for function in nodes if isinstance(function, FUNCTIONS) for node in ast.walk(function)]
    assert not [line for line in inside if line.startswith(("import ", "from "))]
    assert not [node for node in nodes if isinstance(node, ast.ImportFrom) and node.level]
    assert not [node for node in nodes if isinstance(node, ast.Import) and "dragoman" in ast.unparse(node)]
    assert "TYPE_CHECKING" not in ast.unparse(MODULES[module])


def test_only_the_config_reads_the_environment(module):
    named = {getattr(node, "attr", getattr(node, "id", "")) for node in ast.walk(MODULES[module])}
    named |= {
        name.name for node in ast.walk(MODULES[module]) if isinstance(node, ast.ImportFrom) for name in node.names
    }
    assert not named & {"environ", "environb", "getenv", "getenvb", "putenv"} or module == ("config",)
