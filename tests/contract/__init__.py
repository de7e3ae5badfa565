"""What holds for every kind of backend: a new one joins by one line in `kinds.py`."""
