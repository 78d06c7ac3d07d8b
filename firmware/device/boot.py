"""Runs before main.py at every start."""

import gc

# Collect little and often: a collection of a full heap stops the board for tens of milliseconds.
gc.threshold(16 * 1024)
