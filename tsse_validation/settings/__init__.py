"""Everything that can be set, and where each value comes from."""
