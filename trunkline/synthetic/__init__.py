"""A synthetic wearer: trunk motion from a script, the sensor's readings, and the exact truth."""
