"""A sensor's bytes <-> samples. Pure: no I/O, no clock, no bleak."""
