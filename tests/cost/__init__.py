"""What a message costs in instructions: scripts/cost."""
