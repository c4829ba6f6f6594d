"""Wires the runbook's parts into pytest; each part is in its own module, and the last one lends the test bed.

The options come first: where pytest was started elsewhere, nothing has loaded them yet.
"""

pytest_plugins = [
    "tsse_validation.pytest_plugin.command_line",
    "tsse_validation.pytest_plugin.options",
    "tsse_validation.pytest_plugin.dry_run",
    "tsse_validation.pytest_plugin.ordering",
    "tsse_validation.pytest_plugin.recording",
    "tsse_validation.pytest_plugin.resources",
    "tsse_validation.pytest_plugin.parity_fixtures",
    "tsse_validation.pytest_plugin.conformance_fixtures",
    "fixtures.plugin",
]
