"""The content of every report, computed once from the run's result."""
