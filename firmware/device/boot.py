"""Runs before main.py at every start."""

import gc

from agent import once  # noqa: F401 - what stays loaded, before the first collection: one amid this import would cost 5 kB for good

gc.collect()
# Collect little and often: what stays lies close together then, and large pieces stay free. With 16 kB between collections 6 kB were free
# in a storm of calls, and none of it in a piece of 160 bytes. The pins of an ESP32 make no garbage: a few collections a second.
gc.threshold(2 * 1024)
