"""Real clients, and agents made with them, on a chat API that gives only text."""
