"""The runbook's steps as plain functions, called by pytest and by the command line alike."""
