"""Chaos: people press buttons while everything fails, and afterwards every press must be one activation of one incident."""
