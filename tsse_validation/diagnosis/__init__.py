"""From what differs to what it means, with the runbook's next step."""
