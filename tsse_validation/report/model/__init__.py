"""What every report says, worked out once from the run's result."""
