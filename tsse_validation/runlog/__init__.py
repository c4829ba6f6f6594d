"""What a run has seen, as records: written at once, read back as one result, secrets masked."""
