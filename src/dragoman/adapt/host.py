"""What the configuration calls an API, by the host that it lives on."""

import re
from unicodedata import normalize
from urllib.parse import urlsplit

from dragoman.adapt.asked import CannotAdapt, variables_in, without_marks
from dragoman.adapt.vocabulary import words

SECOND = words("co com ac org net gov edu or ne go")
"""Second labels of country domains, below which names begin."""

_ADDRESS = re.compile(r"[\d.]+|\[?[0-9a-f:]+\]?", re.IGNORECASE)


def named(url: str) -> str:
    """A backend's name: `acme` for `https://api.acme.com/chat`. Raises CannotAdapt if the URL has no host."""
    try:
        host = urlsplit(without_marks(url)).hostname or ""
    except ValueError:
        host = ""
    if variables := variables_in(url.partition("//")[2].partition("/")[0] or url):
        host = re.sub(r"(?:_(?:api|base|url|uri|host|endpoint|server))+$", "", variables[0].lower())
    if not host:
        raise CannotAdapt("The URL has no host; paste the command with its whole URL.")
    if host == "localhost" or _ADDRESS.fullmatch(host):
        return "local"
    labels = host.split(".")
    if len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in SECOND:
        labels.pop()
    name = labels[-2] if len(labels) > 1 else labels[0]
    plain = normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9_-]+", "-", plain).strip("-")[:64] or "api"
