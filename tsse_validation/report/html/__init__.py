"""The HTML report: a page that needs no other file."""
