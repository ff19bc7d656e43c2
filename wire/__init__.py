"""What travels between the agent and analytics: ids, topics, batches. Pure."""
