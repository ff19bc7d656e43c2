"""Does this machine have what Trunkline needs? One module per neighbour that can fail."""
