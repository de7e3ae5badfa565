"""OpenRouter's wire."""

from tests.presets.openai_wire import GIVEN, SAYS, stream, whole

__all__ = ["GIVEN", "MODEL", "SAYS", "stream", "whole"]

MODEL = "mistralai/mistral-small-3.2-24b-instruct"
