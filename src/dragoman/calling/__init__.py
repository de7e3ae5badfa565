"""Tool calls in a text: how a model is told of tools, and what it calls read from what it says."""
