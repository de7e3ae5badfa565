"""What the gateway survives: streams that are cut, callers that leave, backends that are out."""
