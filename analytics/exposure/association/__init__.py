"""What of a wearer's exposure goes together with what they felt. Pure."""
