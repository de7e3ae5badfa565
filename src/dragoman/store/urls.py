"""Where a store is: `sqlite:///FILE`, or `postgresql://USER:PASSWORD@HOST/NAME`."""

from urllib.parse import parse_qs, quote, unquote, urlsplit

from dragoman.errors import ConfigError

SQLITE = "sqlite:///"
POSTGRES = "postgresql://"
WRITE = "write sqlite:///FILE, sqlite:////FOLDER/FILE or postgresql://USER:PASSWORD@HOST[:PORT]/NAME"


def path_of(url: str) -> str | None:
    """The file, if it is in one."""
    return url.removeprefix(SQLITE) if url.startswith(SQLITE) else None


def checked(url: str) -> str:
    """The URL. Raises ConfigError, which does not quote it: a password may stand anywhere in one that is wrong."""
    path = path_of(url)
    if path is not None and (not path or path == ":memory:" or set(path) & set("?#\0")):
        raise ConfigError(f"the store's file cannot be named so: {WRITE}")
    if path is None and not _is_postgres(url):
        raise ConfigError(f"this is no URL of a store: {WRITE}")
    return url


def without_password(text: str, url: str) -> str:
    """A text without the password of a URL that is right."""
    parts = urlsplit(url)
    for password in (parts.password or "", *parse_qs(parts.query).get("password", ())):
        for shape in (password, unquote(password), quote(password)):
            text = text.replace(shape, "(password)") if shape else text
    return text


def _is_postgres(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    whole = bool(parts.path.strip("/")) and "@" not in f"{parts.path}{parts.query}{parts.fragment}"
    return url.startswith(POSTGRES) and whole and not parts.fragment and port != 0
