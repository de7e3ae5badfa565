"""Log probabilities as chat completions tell them, told as completions do: in columns, with where each token begins."""

from codecs import getincrementaldecoder
from typing import Any

_UTF8 = getincrementaldecoder("utf-8")


class Columns:
    """One choice's, in pieces as they come. `top` is how many likely tokens were asked for, `start` where its text
    begins."""

    def __init__(self, top: int, start: int) -> None:
        self._top, self._offset = top, start
        self._decoder = _UTF8("replace")

    def of(self, content: Any) -> dict[str, Any] | None:
        """Those of the next tokens; None if there are none. What is no token is left out."""
        tokens = [each for each in content if _is_token(each)] if isinstance(content, list) else []
        if not tokens:
            return None
        return {
            "tokens": [each["token"] for each in tokens],
            "token_logprobs": [float(each["logprob"]) for each in tokens],
            "top_logprobs": [self._likely(each) for each in tokens] if self._top else None,
            "text_offset": [self._begins(each) for each in tokens],
        }

    def _likely(self, token: Any) -> dict[str, float]:
        """The likeliest, and the one that was chosen, which need not be among them."""
        likely = token.get("top_logprobs")
        known = [each for each in likely if _is_token(each)] if isinstance(likely, list) else []
        return {each["token"]: float(each["logprob"]) for each in (*known[: self._top], token)}

    def _begins(self, token: Any) -> int:
        """Where a token begins. One may be a part of a character only, which its bytes tell."""
        begins, data = self._offset, token.get("bytes")
        try:
            known = isinstance(data, list) and data
            self._offset += len(self._decoder.decode(bytes(data)) if known else token["token"])
        except (TypeError, ValueError):
            self._offset += len(token["token"])
        return begins


def _is_token(value: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("token"), str):
        return False
    likelihood = value.get("logprob")
    return isinstance(likelihood, float | int) and not isinstance(likelihood, bool)
