"""The Markdown report and a CI's step summary."""
