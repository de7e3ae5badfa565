"""Between Anthropic's messages and a chat: what is asked, what is answered, and how failures are told."""
