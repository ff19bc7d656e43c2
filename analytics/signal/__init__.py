"""Grid with gap mask, calibration, orientation, wear. Pure."""
