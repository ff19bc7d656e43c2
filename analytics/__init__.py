"""Runs at the clinic (or on the same machine): MQTT -> store -> results -> people."""
