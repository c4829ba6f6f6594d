"""The reports of a run, all from the same result: JSON, Markdown, JUnit XML, CTRF, HTML and terminal.

`model` works out once what every report says; `html`, `markdown`, `junit`, `ctrf` and `terminal` put that into
their formats and add no number; `writer` and `index_page` write the files.
"""
