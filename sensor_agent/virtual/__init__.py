"""A virtual radio with real GATT peripherals that play recordings. Only for replay and tests."""
