"""llama.cpp's wire."""

from tests.presets.openai_wire import GIVEN, SAYS, stream, whole

__all__ = ["GIVEN", "MODEL", "SAYS", "stream", "whole"]

MODEL = "gpt-3.5-turbo"
