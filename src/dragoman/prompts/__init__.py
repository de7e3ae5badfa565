"""Completions, the older kind: prompts made into conversations, and their answers told as plain texts."""
