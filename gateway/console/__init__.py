"""The duty desk's web page: what the engine publishes and what its database remembers, and the orders of the person on duty."""
