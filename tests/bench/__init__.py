"""Grid Notify, its limit and others, measured side by side: scripts/bench."""
