"""A pasted curl command, or an operation of an OpenAPI document, made into a configuration."""
