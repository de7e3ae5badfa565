"""OpenAI's own words as types, one file per surface."""
