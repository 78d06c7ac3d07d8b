"""How an incident leaves the house: one loop for each channel, over one table."""
