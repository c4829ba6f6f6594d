"""What everything speaks of: the contract's objects, instants, windows, the runbook's catalogue. No I/O."""
