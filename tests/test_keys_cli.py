"""`dragoman keys` and `dragoman usage`, run as a user runs them."""

import csv
import io
import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from dragoman.access.credentials import digest, well_formed
from dragoman.config import Config
from dragoman.store import Row, opened
from tests.forking import ran

CONFIG = """\
backends: {b: {kind: demo}}
models: {m: b}
keys:
  ops: {secret: "${OPS_KEY}", admin: true, rpm: 600}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("OPS_KEY", "ops-secret-of-the-environment")
    (tmp_path / "dragoman.yaml").write_text(CONFIG)
    return tmp_path


async def told(*arguments):
    """The JSON that a command prints."""
    status, out, err = await ran(*arguments, "--json")
    assert status == 0, err
    return json.loads(out)


async def test_a_new_key_stands_alone_on_its_line_and_what_to_do_with_it_beside(folder):
    status, out, err = await ran("keys", "create", "alice", "--models", "m,team-*", "--rpm", "60", "--tpm", "90k")
    assert status == 0
    assert out.count("\n") == 1
    assert well_formed(out.strip())
    assert out.strip() not in err
    assert re.search(r"^curl http://127\.0\.0\.1:8000/v1/models -H \"Authorization: Bearer \$KEY\"$", err, re.MULTILINE)
    key = await told("keys", "show", "alice")
    assert key["grant"]["models"] == ["m", "team-*"]
    assert (key["grant"]["rpm"], key["grant"]["tpm"], key["hint"]) == (60, 90000, out.strip()[-4:])
    assert out.strip()[3:20] not in json.dumps(key)
    assert "digest" not in json.dumps(key)


async def test_create_takes_every_bound(folder):
    budgets = ("--budget", "20/month", "--budget", "5M tokens/day")
    key = await told("keys", "create", "a", "--concurrent", "4", *budgets, "--expires", "90d", "--admin")
    assert well_formed(key["secret"])
    assert (key["grant"]["concurrent"], key["grant"]["admin"]) == (4, True)
    assert key["grant"]["budget"] == ["20/month", "5000000 tokens/day"]
    assert key["expires"] > time.strftime("%Y-%m-%d", time.gmtime(time.time() + 80 * 86400))


async def test_the_first_key_closes_the_server_and_create_says_so(folder):
    (folder / "dragoman.yaml").write_text(CONFIG.partition("keys:")[0])
    assert "every call needs one" in (await ran("keys", "create", "alice"))[2]
    assert "every call needs one" not in (await ran("keys", "create", "bob"))[2]


async def test_hash_only_prints_what_a_configuration_takes_and_stores_nothing(folder):
    options = ("--models", "m", "--rpm", "60", "--budget", "20/month", "--expires", "2126-01-01", "--admin")
    status, out, err = await ran("keys", "create", "ci", "--hash-only", *options)
    assert status == 0
    secret = err.strip().splitlines()[-1]
    assert well_formed(secret)
    assert secret not in out
    entry = yaml.safe_load(out)
    assert entry["ci"]["hash"] == digest(secret)
    assert not (folder / "dragoman.db").exists()
    whole = {"backends": {"b": {"kind": "demo"}}, "models": {"m": "b"}, "keys": entry}
    (folder / "whole.yaml").write_text(yaml.safe_dump(whole))
    key = Config.read(folder / "whole.yaml").keys["ci"]
    assert (key.digest, key.rpm, key.models, key.admin) == (digest(secret), 60, ["m"], True)
    assert str(key.budget[0]) == "20/month"
    assert key.expires.year == 2126


@pytest.mark.parametrize("name", ["x y", "", "a: b", "é"])
async def test_hash_only_makes_no_name_that_a_configuration_would_refuse(folder, name):
    status, out, err = await ran("keys", "create", name, "--hash-only")
    assert (status, out) == (2, "")
    assert "letters, digits" in err


async def test_list_shows_the_keys_of_the_file_and_of_the_store(folder):
    await ran("keys", "create", "alice", "--models", "m", "--expires", "90d")
    await ran("keys", "create", "bob")
    await ran("keys", "revoke", "bob")
    status, out, _ = await ran("keys", "list")
    assert status == 0
    assert re.search(r"^ops +file +active +all +600 rpm, admin", out, re.MULTILINE)
    assert re.search(r"^alice +key_[0-9a-f]{12} +store +active +[0-9A-Za-z]{4} +m +20\d\d-", out, re.MULTILINE)
    assert "bob" not in out
    assert "1 revoked" in out
    assert re.search(r"^bob .* revoked", (await ran("keys", "list", "--all"))[1], re.MULTILINE)
    data = (await told("keys", "list", "--all"))["data"]
    assert [(key["name"], key["from"], key["state"]) for key in data] == [
        *(("ops", "file", "active"), ("alice", "store", "active"), ("bob", "store", "revoked"))
    ]
    assert "ops-secret" not in json.dumps(data)


async def test_a_key_is_rotated_and_revoked(folder):
    first = await told("keys", "create", "alice")
    second = await told("keys", "rotate", "alice", "--grace", "24h")
    assert second["id"] == first["id"]
    assert second["secret"] != first["secret"]
    assert [each["until"] is None for each in second["secrets"]] == [False, True]
    status, out, _ = await ran("keys", "rotate", first["id"])
    assert status == 0
    assert well_formed(out.strip())
    assert [each["hint"] for each in (await told("keys", "show", "alice"))["secrets"]] == [out.strip()[-4:]]
    assert (await ran("keys", "revoke", "alice"))[0] == 0
    assert (await ran("keys", "revoke", first["id"]))[0] == 0
    status, _, err = await ran("keys", "rotate", "alice")
    assert (status, "revoked" in err) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("show", "nobody"), 1, "no key 'nobody'"),
        (("rotate", "nobody"), 1, "no key 'nobody'"),
        (("revoke", "nobody"), 1, "no key 'nobody'"),
        (("revoke", "ops"), 1, "stands in the configuration"),
        (("rotate", "ops"), 1, "stands in the configuration"),
        (("create", "ops"), 1, "stands in the configuration"),
        (("create", "a\nb"), 2, "printable"),
        (("create", "a", "--rpm", "many"), 2, "--rpm"),
        (("create", "a", "--rpm", "0"), 2, "--rpm"),
        (("create", "a", "--budget", "20"), 2, "--budget"),
        (("create", "a", "--expires", "soon"), 2, "--expires"),
        (("create", "a", "--expires", "2020-01-01"), 2, "expires"),
        (("rotate", "a", "--grace", "soon"), 2, "--grace"),
        (("list", "--config", "none.yaml"), 2, "none.yaml: there is no such file"),
        (("show", "'; DROP TABLE keys; --"), 1, "no key"),
    ],
)
async def test_what_is_wrong_is_told_in_one_line(folder, arguments, status, says):
    got, out, err = await ran("keys", *arguments)
    assert (got, out) == (status, "")
    assert says in err
    assert "Traceback" not in err
    assert len(err.splitlines()) <= 2


async def test_a_name_is_taken_once(folder):
    assert (await ran("keys", "create", "alice"))[0] == 0
    status, out, err = await ran("keys", "create", "alice")
    assert (status, out) == (1, "")
    assert "alice" in err


@pytest.mark.parametrize(
    ("store", "says"),
    [
        ("store: null", "switches the store off"),
        ("store: sqlite:////proc/none/dragoman.db", "the store cannot be used"),
        ("store: postgresql://user:pass-word-1@127.0.0.1:1/none", "the store cannot be used"),
        ("store: mysql://user:pass-word-1@h/none", "store"),
        ("stroe: x", "did you mean 'store'"),
    ],
)
async def test_without_a_store_nothing_can_be_done(folder, store, says):
    (folder / "dragoman.yaml").write_text(f"{CONFIG}{store}\n")
    for command in (("keys", "list"), ("usage",)):
        status, out, err = await ran(*command)
        assert (status, out) == (2, "")
        assert says in err
        assert "pass-word-1" not in err
        assert "Traceback" not in err


async def test_without_a_configuration_create_says_how_to_name_one(folder):
    (folder / "dragoman.yaml").unlink()
    status, _, err = await ran("keys", "create", "alice")
    assert status == 2
    assert "--config" in err


def row(id, key, model="m", tokens=10, cost=0, status=200, estimated=False, at=None):
    at = time.time() - 60 if at is None else at
    return Row(str(id), at, key, model, "b", "chat", tokens, 2 * tokens, estimated, cost, status, 0.1, 0.5, f"req_{id}")


@pytest.fixture
async def used(folder):
    """The ledger of a week: a key with a plain name, and callers with names that a spreadsheet would calculate."""
    key = await told("keys", "create", "=1+1")
    async with opened(f"sqlite:///{folder}/dragoman.db") as store:
        rows = [row(number, key["id"], cost=250_000_000) for number in range(4)]
        rows += [row(10, "ops", status=500, tokens=0), row(11, "ops", "@sum", tokens=5, estimated=True, cost=1)]
        rows += [row(20, "ops", at=time.time() - 20 * 86400)]
        await store.write(rows)
    return key


async def test_usage_is_a_table_with_its_total(used):
    status, out, _ = await ran("usage")
    assert status == 0
    assert re.search(r"^=1\+1 +m +4 +0 +40 +80 +1$", out, re.MULTILINE)
    assert re.search(r"^ops +@sum +1 +0 +5\* +10\* +0\.000000001\*$", out, re.MULTILINE)
    assert re.search(r"^ops +m +1 +1 +0 +0 +0$", out, re.MULTILINE)
    assert re.search(r"^total +6 +1 +45\* +90\* +1\.000000001\*$", out, re.MULTILINE)
    assert "* with estimates" in out


async def test_usage_reaches_as_far_back_as_it_is_asked(used):
    def calls(shown):
        return sum(each["calls"] for each in shown["data"])

    assert calls(await told("usage")) == 6
    assert calls(await told("usage", "--since", "30d")) == 7
    assert calls(await told("usage", "--since", "30d", "--until", "2d")) == 1
    assert calls(await told("usage", "--since", "2126-01-01")) == 0


@pytest.mark.parametrize("by", ["key", "model", "day", "backend", "surface", "key,day", "model, backend", ""])
async def test_usage_is_told_apart_as_it_is_asked(used, by):
    shown = await told("usage", "--by", by, "--since", "30d")
    names = [name.strip() for name in by.split(",") if name]
    assert shown["by"] == names
    assert all(set(names) < set(each) for each in shown["data"])
    assert sum(each["calls"] for each in shown["data"]) == 7
    assert sum(each["cost"] for each in shown["data"]) == pytest.approx(1.000000001)


async def test_no_cell_of_the_csv_is_a_formula(used):
    status, out, _ = await ran("usage", "--csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert status == 0
    assert {each["name"] for each in rows} == {"'=1+1", "ops"}
    assert {each["model"] for each in rows} == {"m", "'@sum"}
    assert not [cell for each in rows for cell in each.values() if cell[:1] in tuple("=+-@\t\r\n")]
    assert sum(float(each["cost"]) for each in rows) == pytest.approx(1.000000001)
    assert sum(int(each["prompt_tokens"]) for each in rows) == 45


@pytest.mark.parametrize("arguments", [("--by", "password"), ("--since", "soon"), ("--until", "1' OR 1=1")])
async def test_usage_says_what_it_does_not_understand(folder, arguments):
    status, out, err = await ran("usage", *arguments)
    assert (status, out) == (2, "")
    assert err.startswith(f"{arguments[0]}: ")


async def test_show_tells_what_is_left_of_every_budget(folder):
    budgets = ("--budget", "2/month", "--budget", "1k tokens/total")
    key = await told("keys", "create", "alice", *budgets)
    async with opened(f"sqlite:///{folder}/dragoman.db") as store:
        await store.write([row(1, key["id"], cost=500_000_000), row(2, "ops", cost=9_000_000_000)])
    shown = await told("keys", "show", "alice")
    month = {"calls": 1, "failed": 0, "prompt_tokens": 10, "completion_tokens": 20, "cost": 0.5}
    assert shown["this_month"] == month
    assert shown["budgets"] == [
        {"budget": "2/month", "model": None, "spent": 0.5, "left": 1.5},
        {"budget": "1000 tokens/total", "model": None, "spent": 30, "left": 970},
    ]
    out = (await ran("keys", "show", "alice"))[1]
    assert re.search(r"^budget +2/month: 0\.5 spent, 1\.5 left *$", out, re.MULTILINE)
    assert re.search(r"^this month +1 calls, 0 failed, 10 \+ 20 tokens, cost 0\.5 *$", out, re.MULTILINE)


async def test_show_takes_a_key_of_the_file(folder):
    shown = await told("keys", "show", "ops")
    assert (shown["from"], shown["grant"]["admin"], shown["this_month"]["calls"]) == ("file", True, 0)


@pytest.mark.parametrize("command", [(), ("create",), ("list",), ("show",), ("rotate",), ("revoke",)])
async def test_every_command_explains_itself_with_examples(folder, command):
    status, out, _ = await ran("keys", *command, "--help")
    assert status == 0
    assert not command or "Example" in out
    assert not command or f"dragoman keys {command[0]}" in out


async def test_usage_explains_itself_with_examples(folder):
    status, out, _ = await ran("usage", "--help")
    assert status == 0
    assert "dragoman usage --by model" in out


def test_serve_listens_to_other_machines_only_with_a_key_or_when_told_to(tmp_path):
    (tmp_path / "dragoman.yaml").write_text("backends: {demo: {kind: demo}}\nmodels: {m: demo}\n")
    serve = [sys.executable, "-m", "dragoman", "serve", "--host", "0.0.0.0", "--port", "0"]
    refused = subprocess.run(serve, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert refused.returncode == 2
    assert "there are no keys" in refused.stderr
    made = [sys.executable, "-m", "dragoman", "keys", "create", "blue"]
    assert subprocess.run(made, cwd=tmp_path, capture_output=True, timeout=60, check=False).returncode == 0
    assert _listens(serve, tmp_path)
    (tmp_path / "dragoman.db").unlink()
    assert _listens([*serve, "--open"], tmp_path)


def _listens(serve: list[str], folder: Path) -> bool:
    """Whether the server says where it listens."""
    with subprocess.Popen(serve, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        line = process.stdout.readline() if process.stdout else ""
        process.kill()
    return "listens on http://127.0.0.1:" in line
