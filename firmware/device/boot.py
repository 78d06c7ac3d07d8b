"""Runs before main.py at every start."""

import gc

from agent import once  # noqa: F401 - what stays loaded, before the first collection: one amid this import would cost 5 kB for good

gc.collect()
# Collect little and often: a collection of a full heap stops the board for tens of milliseconds.
gc.threshold(16 * 1024)
