"""Wires the runbook's parts into pytest; each part is in its own module."""

pytest_plugins = [
    "fixtures.options",
    "fixtures.steps",
    "fixtures.recording",
    "fixtures.resources",
    "fixtures.parity",
    "fixtures.windows",
    "fixtures.conformance.plugin",
]
