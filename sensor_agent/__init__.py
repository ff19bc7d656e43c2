"""Runs beside the wearer: BLE -> clock -> outbox -> MQTT."""
