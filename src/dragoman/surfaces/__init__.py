"""The API dialects that callers speak, one per file."""
