"""The reports of a run, all from the same result: JSON, Markdown, JUnit XML, CTRF, HTML and terminal.

`model` computes the content once. `html`, `markdown`, `ci_reports` and `terminal` put it into their formats and
add no number. `writer` writes the files.
"""
