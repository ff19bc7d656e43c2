"""Posture, slouch, walking, movements, and their parameters. Pure."""
