"""The reports of a run, all from the same result model: JSON, Markdown, JUnit XML, HTML and terminal.

`document` puts a result and its verdict together, `view` works out what a report says, and one module for each
format renders that into a string; only `writer` touches files.
"""
