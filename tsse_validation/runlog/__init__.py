"""The records of a run: written at once with secrets masked, and read back as one result."""
