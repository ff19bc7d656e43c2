"""What the agents sent against what the store holds."""
