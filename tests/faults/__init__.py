"""scripts/faults: a load, one thing after the other broken under it, and what became of the messages."""
