"""The runbook's steps in pytest: options, order, recording and fixtures."""
