"""Developer messages for a backend that knows system messages only."""

from dragoman.call import Handler


def renamed(next: Handler) -> Handler:
    """Calls developers' messages the system's."""
    return lambda call: next(
        call.asking(
            messages=[
                {**message, "role": "system"} if message["role"] == "developer" else message
                for message in call.request.messages
            ]
        )
    )
