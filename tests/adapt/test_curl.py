"""A curl command as people paste it, from shells, documents and browsers."""

import json

import pytest

from dragoman.adapt.asked import CannotAdapt, plain
from dragoman.adapt.calling import sample_request
from dragoman.adapt.curl import read

URL = "https://api.acme.com/chat"


def refusal(command):
    with pytest.raises(CannotAdapt) as caught:
        read(command)
    return str(caught.value)


@pytest.mark.parametrize(
    ("command", "body"),
    [
        ("curl -d '{\"a\": \"it'\\''s\"}' URL", '{"a": "it\'s"}'),
        ('curl -d "{\\"a\\": \\"b\\\\nc\\"}" URL', '{"a": "b\\nc"}'),
        ('curl URL --data-raw $\'{"a":"it\\\'s \\u00e9 \\ud83d\\ude00\\n\\x41\\101"}\'', '{"a":"it\'s é 😀\nAA"}'),
        ("curl URL \\\n  -d \\\n 'a b'", "a b"),
        ("curl URL -d one -d two --data three", "one&two&three"),
        ("curl URL --data-urlencode 'q=a b&c' --data-urlencode 'd e' --data-urlencode =f", "q=a+b%26c&d+e&f"),
        ("curl URL --json '{\"a\":' --json '1}'", '{"a":1}'),
        ("curl URL -dx", "x"),
        ("curl -sSLd x URL", "x"),
        ("curl URL -d x | jq .answer", "x"),
        ("curl URL -d x > out.json 2>&1", "x"),
        ("curl URL -d @- <<'EOF'\n{\"a\":\n 1}\nEOF", '{"a":\n 1}'),
        ("$ curl URL -d x", "x"),
        ("# ask it\n\ncurl URL -d x", "x"),
        ("```sh\ncurl URL -d x\n```", "x"),
        ("TOKEN=1 /usr/bin/curl.exe URL -d x", "x"),
        ("curl URL --data-raw @me", "@me"),
        ("curl URL -d ''", ""),
    ],
)
def test_the_body_is_what_the_shell_would_send(command, body):
    asked = read(command.replace("URL", URL))
    assert (asked.url, asked.method, asked.body) == (URL, "POST", body)


def test_windows_writes_the_same_otherwise():
    new = f'curl ^"{URL}?a=1^&b=2^" ^\r\n  -H ^"X-A: 50^%^" ^\r\n  --data-raw ^"^{{^\\^"q^\\^":^\\^"hi $HOME^\\^"^}}^"'
    old = f'curl "{URL}?a=1&b=2" ^\n -H "X-A: 50%" ^\n --data-raw "{{\\"q\\":\\"hi $HOME\\"}}"'
    for command in (new, old):
        asked = read(command)
        assert (asked.url, asked.query) == (URL, (("a", "1"), ("b", "2")))
        assert (asked.headers, asked.body) == ({"X-A": "50%"}, '{"q":"hi $HOME"}')


@pytest.mark.parametrize(
    ("command", "method"),
    [("curl URL", "GET"), ("curl -XPUT URL -d x", "PUT"), ("curl -X post URL", "POST"), ("curl -G URL -d a=b", "GET")],
)
def test_the_method_is_given_or_follows_from_the_body(command, method):
    assert read(command.replace("URL", URL)).method == method


@pytest.mark.parametrize(
    ("options", "query"),
    [
        (f"'{URL}?a=1&b=two%20words#part'", (("a", "1"), ("b", "two words"))),
        (f"-G {URL}?a=1 -d b=2 --data-urlencode 'c=d e'", (("a", "1"), ("b", "2"), ("c", "d e"))),
        (f"--url {URL} --url-query a=1", (("a", "1"),)),
        (f"{URL}?a=&a=2", (("a", ""), ("a", "2"))),
    ],
)
def test_the_query_stands_in_the_url_or_beside_it(options, query):
    assert read(f"curl {options}").query == query


def test_headers_come_from_all_their_options():
    asked = read(
        f"curl {URL} -H 'X-A:b' -H 'X-Empty;' -H 'X-Gone:' -b 'a=1' -b 'c=2' -A Me -e http://r --oauth2-bearer tok"
    )
    assert asked.headers == {"X-A": "b", "Cookie": "a=1; c=2", "Authorization": "Bearer tok"}


@pytest.mark.parametrize(
    "command", [f"curl -u me:pa:ss {URL}", f"curl --user me:pa:ss {URL}", "curl https://me:pa%3Ass@api.acme.com/chat"]
)
def test_a_user_has_a_name_and_a_password(command):
    asked = read(command)
    assert (asked.url, asked.user) == (URL, ("me", "pa:ss"))


def test_aws_is_signed_for():
    asked = read(f"curl {URL} --aws-sigv4 aws:amz:eu-west-1:bedrock --user AKID:SECRET -d x")
    assert asked.auth == {
        "kind": "sigv4",
        "region": "eu-west-1",
        "service": "bedrock",
        "access_key": "AKID",
        "secret_key": "SECRET",
    }


def test_certificates_are_kept_and_what_is_not_is_said():
    asked = read(
        f"curl -k {URL} --cacert ca.pem --cert me.pem --key me.key -x http://proxy:3128 --compressed --max-time 3"
    )
    assert asked.tls == {"ca": "ca.pem", "cert": "me.pem", "key": "me.key"}
    assert [remark.split()[0] for remark in asked.remarks] == ["-k", "the"]


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (f'curl {URL} -d "hi $NAME and ${{other}}"', "hi ${NAME} and ${other}"),
        (f"curl {URL} -d 'hi '\"$NAME\"'!'", "hi ${NAME}!"),
        (f"curl {URL} -d 'hi $NAME and ${{NAME}}'", "hi $NAME and $${NAME}"),
        (f'curl {URL} -d "hi \\$NAME"', "hi $NAME"),
    ],
)
def test_a_variable_stays_one_where_the_shell_would_see_it(command, text):
    assert plain(read(command).body) == text


def test_in_headers_and_urls_quotes_do_not_hide_a_variable():
    asked = read("curl '$BASE_URL/chat/${ID}?k=$KEY' -H 'X-Key: ${KEY}' -u '$ME:$PASSWORD'")
    assert plain(asked.url) == "${BASE_URL}/chat/${ID}"
    assert plain(asked.query[0][1]) == plain(asked.headers["X-Key"]) == "${KEY}"
    assert [plain(part) for part in asked.user] == ["${ME}", "${PASSWORD}"]


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("curl URL -F file=@x", "-F sends a multipart form"),
        ("curl URL --form-string a=b", "--form-string sends a multipart form"),
        ("curl URL -T x", "-T sends a file"),
        ("curl URL -d @body.json", "--data @body.json reads the body from a file; put its text there"),
        ("curl URL --data-urlencode name@file", "--data-urlencode name@file reads a file"),
        ("curl URL -H @headers", "-H reads headers from a file"),
        ("curl URL --digest -u a:b", "--digest logs in by a way that dragoman has not"),
        ("curl URL --frobnicate", "--frobnicate is an option that is not understood here"),
        ("curl URL -@", "-@ is an option that is not understood here"),
        ("curl URL -d", "-d has no value"),
        ("curl URL -d 'x", "A quote in the command is not closed"),
        ("curl -X DELETE URL", "The command asks by DELETE"),
        ("curl -H 'A: b'", "The command has no URL"),
        ("curl URL other", "The command has 2 URLs"),
        ("curl ftp://x/y", "The URL begins with ftp:"),
        ("curl URL --aws-sigv4 aws", "--aws-sigv4 is understood as"),
        ("wget URL", "This is not a curl command"),
        ("", "This is not a curl command"),
        (f"curl URL -d '{'x' * 2**20}'", "The command has more than 1048576 characters"),
    ],
)
def test_what_cannot_be_adapted_is_refused_with_what_to_do(command, told):
    assert refusal(command.replace("URL", URL)).startswith(told)


def test_it_can_be_sent_as_it_is():
    command = (
        f"curl '{URL}?a=b c' -u me:$PASS -H 'Accept-Encoding: br' -H 'X-A: 1' -d '{{\"q\": \"hi\"}}' --data-raw ''"
    )
    sending = sample_request(command.replace(" --data-raw ''", ""), {"PASS": "word"})
    assert (sending.method, sending.url) == ("POST", f"{URL}?a=b+c")
    assert sending.headers == {"X-A": "1", "Content-Type": "application/json", "Authorization": "Basic bWU6d29yZA=="}
    assert json.loads(sending.body) == {"q": "hi"}


def test_it_is_not_sent_with_variables_that_are_not_set_or_a_signature():
    with pytest.raises(CannotAdapt, match="The variable KEY is not set"):
        sample_request(f"curl {URL} -H 'X-Key: $KEY'", {})
    with pytest.raises(CannotAdapt, match="--sample"):
        sample_request(f"curl {URL} --aws-sigv4 aws:amz:a:b -u a:b", {})
