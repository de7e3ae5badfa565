"""LM Studio's wire."""

from tests.presets.openai_wire import GIVEN, SAYS, stream, whole

__all__ = ["GIVEN", "MODEL", "SAYS", "stream", "whole"]

MODEL = "qwen/qwen3-8b"
