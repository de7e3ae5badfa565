"""Azure's paths, which lead to the same doors: `/openai/v1/…`, and `/openai/deployments/NAME/…`, where NAME is a model.

The rest of Azure's dialect is OpenAI's: `api-version` is not looked at, and `api-key` is a header that any key may come
in (Azure OpenAI REST API reference).
"""

import re
from collections.abc import MutableMapping
from typing import Any

from dragoman.edge import DEPLOYMENT

PREFIX = "/openai/"

_DEPLOYED = re.compile(r"/openai/deployments/(?P<name>[^/].*?)(?P<path>/(?:chat/completions|completions|embeddings))/?")
_PLAIN = re.compile(r"/openai(?:/v1)?(?P<path>/.+)")


def plain(scope: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A request as if it had come by OpenAI's path; one that came by another than Azure's stays as it is."""
    root: str = scope.get("root_path", "")
    path: str = scope["path"]
    if not path.startswith(PREFIX, len(root)):
        return scope
    asked = path[len(root) :]
    if deployed := _DEPLOYED.fullmatch(asked):
        return {**scope, "path": f"{root}/v1{deployed['path']}", DEPLOYMENT: deployed["name"]}
    if asked.startswith("/openai/deployments/"):
        return scope
    found = _PLAIN.fullmatch(asked)
    return {**scope, "path": f"{root}/v1{found['path']}"} if found else scope
