"""A curl command line to what it asks for."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote_plus, unquote

from dragoman.adapt.asked import Asked, CannotAdapt, with_variables
from dragoman.adapt.vocabulary import words
from dragoman.adapt.words import split

METHODS = ("GET", "POST", "PUT")

DATA = ("data", "data-ascii", "data-raw", "data-binary", "data-urlencode", "json")
TAKEN = words(
    "data data-ascii data-raw data-binary data-urlencode json request header user cookie url url-query oauth2-bearer "
    "cert key cacert aws-sigv4"
)
"""Options with a value that says what is asked."""
SKIPPED = words(
    "output max-time connect-timeout retry retry-delay retry-max-time write-out max-redirs limit-rate dump-header "
    "cookie-jar resolve connect-to interface trace trace-ascii proxy proxy-user proxy-header noproxy stderr ciphers "
    "keepalive-time speed-limit speed-time local-port dns-servers expect100-timeout happy-eyeballs-timeout-ms "
    "max-filesize output-dir tls-max cert-type key-type user-agent referer"
)
"""Options with a value that says nothing about what is asked, or nothing that is kept."""
FLAGS = words(
    "silent show-error location include fail verbose no-buffer compressed fail-with-body fail-early http1.0 http1.1 "
    "http2 http2-prior-knowledge http3 http3-only tlsv1 tlsv1.0 tlsv1.1 tlsv1.2 tlsv1.3 ssl-reqd ipv4 ipv6 globoff "
    "progress-bar no-progress-meter remote-name remote-header-name remove-on-error junk-session-cookies disable basic "
    "netrc netrc-optional path-as-is keepalive tcp-nodelay tcp-fastopen raw parallel styled-output retry-all-errors "
    "retry-connrefused create-dirs location-trusted alpn npn sessionid post301 post302 post303 trace-time get insecure "
    "suppress-connect-headers clobber skip-existing show-headers ca-native"
)
REFUSED = {
    **dict.fromkeys(
        ("form", "form-string"),
        "sends a multipart form, which dragoman cannot; ask for an endpoint that takes JSON, or a plain form with -d",
    ),
    "upload-file": "sends a file; paste the command that sends a question",
    "head": "asks for no answer; paste the command that sends a question",
    "config": "reads a file; paste what stands in it",
    "next": "begins another request; paste the command that sends the question alone",
    **dict.fromkeys(
        ("digest", "ntlm", "negotiate", "anyauth", "krb", "delegation"),
        "logs in by a way that dragoman has not; there are basic, bearer, headers, and what `auth` in the docs lists",
    ),
}
SHORT = {
    short: name
    for short, _, name in (
        pair.partition(":")
        for pair in words(
            "X:request H:header d:data u:user A:user-agent e:referer b:cookie F:form G:get k:insecure I:head "
            "T:upload-file E:cert K:config o:output m:max-time w:write-out D:dump-header c:cookie-jar x:proxy "
            "U:proxy-user s:silent S:show-error L:location i:include f:fail v:verbose N:no-buffer #:progress-bar "
            "4:ipv4 6:ipv6 g:globoff 0:http1.0 1:tlsv1 O:remote-name J:remote-header-name j:junk-session-cookies "
            "q:disable n:netrc Z:parallel"
        )
    )
}


@dataclass
class _Read:
    """What the options said so far."""

    urls: list[str] = field(default_factory=list)
    options: list[tuple[str, str]] = field(default_factory=list)

    def all(self, *names: str) -> list[str]:
        return [value for name, value in self.options if name in names]

    def last(self, name: str) -> str:
        return next(reversed(self.all(name)), "")

    def has(self, name: str) -> bool:
        return any(option == name for option, _ in self.options)


def read(command: str) -> Asked:
    """What a curl command asks for. Raises CannotAdapt."""
    line, here = split(_without_prompt(command))
    read = _Read()
    for name, value in _options(_arguments(line)):
        if name == "url":
            read.urls.append(value)
        else:
            read.options.append((name, value))
    if len(read.urls) != 1:
        raise CannotAdapt("The command has no URL." if not read.urls else _two_urls(read.urls))
    return _asked(read, here)


def _two_urls(urls: list[str]) -> str:
    return (
        f"The command has {len(urls)} URLs, or words that stand by themselves; paste one that asks one URL, "
        "with quotes around each value"
    )


def _without_prompt(command: str) -> str:
    """The command without comments before it and without a shell's prompt."""
    lines = command.strip().splitlines()
    while lines and (not lines[0].strip() or re.match(r"\s*#|\s*```", lines[0])):
        lines.pop(0)
    if lines and lines[-1].strip() == "```":
        lines.pop()
    return re.sub(r"^\s*[$>%]\s+", "", "\n".join(lines))


def _arguments(words: list[str]) -> list[str]:
    """What stands behind `curl`; variables that are set before it are left out."""
    for place, word in enumerate(words):
        if re.fullmatch(r"(?:.*[/\\])?curl(?:\.exe)?", word):
            return words[place + 1 :]
        if "=" not in word and word not in ("sudo", "time", "env", "export"):
            break
    raise CannotAdapt(
        "This is not a curl command. In a browser's network panel choose “Copy as cURL”; elsewhere paste what begins "
        "with `curl`."
    )


def _options(words: list[str]) -> Iterator[tuple[str, str]]:
    """Each option by its long name, with its value; a URL is one too."""
    waiting = iter(words)
    for word in waiting:
        if word.startswith("--") and len(word) > 2:
            yield from _option(word[2:], word, waiting)
        elif word.startswith("-") and len(word) > 1:
            yield from _letters(word[1:], waiting)
        elif word.strip() and word != "--":
            yield "url", word


def _letters(letters: str, waiting: Iterator[str]) -> Iterator[tuple[str, str]]:
    for place, letter in enumerate(letters):
        name = SHORT.get(letter, "")
        if name in TAKEN or name in SKIPPED:
            rest = letters[place + 1 :]
            yield from _option(name, f"-{letter}", iter([rest.removeprefix("=")]) if rest else waiting)
            return
        yield from _option(name, f"-{letter}", waiting)


def _option(name: str, written: str, waiting: Iterator[str]) -> Iterator[tuple[str, str]]:
    if name in REFUSED:
        raise CannotAdapt(f"{written} {REFUSED[name]}.")
    if name in TAKEN or name in SKIPPED:
        value = next(waiting, None)
        if value is None:
            raise CannotAdapt(f"{written} has no value; paste the whole command.")
        yield name, value
    elif name in FLAGS or name.removeprefix("no-") in FLAGS:
        yield name, ""
    else:
        raise CannotAdapt(f"{written} is an option that is not understood here; leave it out if the API works without.")


def _asked(read: _Read, here: str | None) -> Asked:
    url, query = _url_and_query(read.urls[0], read.all("url-query"))
    headers, data = _headers(read), _data(read, here)
    if read.has("get") and data is not None:
        query, data = (*query, *parse_qsl(data, keep_blank_values=True)), None
    user = tuple(with_variables(read.last("user")).partition(":")[::2]) if read.has("user") else _user_in(read.urls[0])
    auth = _signed(read.last("aws-sigv4"), user) if read.has("aws-sigv4") else None
    return Asked(
        url,
        _method(read.last("request"), data is not None),
        headers,
        query,
        data,
        None if auth or not user else (user[0], user[1]),
        auth,
        {option: value for name, option in _TLS.items() if (value := read.last(name))},
        _remarks(read),
    )


_TLS = {"cacert": "ca", "cert": "cert", "key": "key"}


def _method(given: str, has_data: bool) -> str:
    method = given.upper() or ("POST" if has_data else "GET")
    if method not in METHODS:
        raise CannotAdapt(f"The command asks by {method}; a chat API is asked by {', '.join(METHODS)}.")
    return method


def _url_and_query(written: str, more: list[str]) -> tuple[str, tuple[tuple[str, str], ...]]:
    written = with_variables(written.strip())
    if not re.match(r"[a-z]+://|\ue000", written, re.IGNORECASE):
        written = f"http://{written}"
    url, _, query = written.partition("#")[0].partition("?")
    if re.match(r"(?!https?:)[a-z]+:", url, re.IGNORECASE):
        raise CannotAdapt(f"The URL begins with {url.partition(':')[0]}:, where http: or https: is understood.")
    scheme, slashes, rest = url.partition("//")
    authority, slash, path = rest.partition("/")
    pairs = parse_qsl("&".join((query, *(with_variables(part).lstrip("+") for part in more))), keep_blank_values=True)
    return f"{scheme}{slashes}{authority.rpartition('@')[2]}{slash}{path}", tuple(pairs)


def _user_in(url: str) -> tuple[str, ...] | None:
    given = re.match(r"[a-z]+://([^/?#]+)@", url, re.IGNORECASE)
    return tuple(unquote(part) for part in given[1].partition(":")[::2]) if given else None


def _headers(read: _Read) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in read.all("header"):
        if line.startswith("@"):
            raise CannotAdapt("-H reads headers from a file; paste each header.")
        name, colon, value = line.partition(":")
        if colon and value.strip():
            headers[name.strip()] = with_variables(value.strip())
    if cookies := read.all("cookie"):
        headers["Cookie"] = with_variables("; ".join(cookies))
    if token := read.last("oauth2-bearer"):
        headers["Authorization"] = f"Bearer {with_variables(token)}"
    if read.has("json"):
        headers = {"Content-Type": "application/json", **headers}
    return headers


def _data(read: _Read, here: str | None) -> str | None:
    """The body; None if there is none."""
    parts = [(name, _text(name, value, here)) for name, value in read.options if name in DATA]
    if not parts:
        return None
    return ("" if parts[0][0] == "json" else "&").join(text for _, text in parts)


def _text(name: str, value: str, here: str | None) -> str:
    if name == "data-urlencode":
        return _encoded(value)
    if value.startswith("@") and name != "data-raw":
        if value == "@-" and here is not None:
            return here
        raise CannotAdapt(f"--{name} {value} reads the body from a file; put its text there: --{name} '…'.")
    return value


def _encoded(value: str) -> str:
    """What --data-urlencode makes: `text`, `=text` or `name=text`."""
    name, equals, text = value.partition("=")
    if "@" in (name if equals else value):
        raise CannotAdapt(f"--data-urlencode {value} reads a file; put its text there: name='…'.")
    encoded = quote_plus(text if equals else value, safe="\ue000\ue001")
    return f"{name}={encoded}" if name and equals else encoded


def _signed(aws: str, user: tuple[str, ...] | None) -> dict[str, str]:
    """`--aws-sigv4 aws:amz:REGION:SERVICE` with `--user KEY:SECRET`."""
    parts = aws.split(":")
    if len(parts) < 4 or not user:
        raise CannotAdapt("--aws-sigv4 is understood as `aws:amz:REGION:SERVICE`, with --user 'ID:SECRET'.")
    return {"kind": "sigv4", "region": parts[2], "service": parts[3], "access_key": user[0], "secret_key": user[1]}


def _remarks(read: _Read) -> tuple[str, ...]:
    told = {
        "insecure": "-k was left out: certificates are always checked; for a private authority set `tls: {ca: FILE}`",
        "proxy": "the proxy was left out: this machine asks the API itself",
    }
    return tuple(text for name, text in told.items() if read.has(name))
