"""Together AI's wire."""

from tests.presets.openai_wire import GIVEN, SAYS, stream, whole

__all__ = ["GIVEN", "MODEL", "SAYS", "stream", "whole"]

MODEL = "meta-llama/Llama-3.3-70B-Instruct-Turbo"
