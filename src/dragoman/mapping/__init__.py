"""Between OpenAI's words and a backend's: templates out, paths in, stream framings."""
