"""Local days, bouts, dose. Pure."""
