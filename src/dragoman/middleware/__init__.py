"""What stands before a handler."""
