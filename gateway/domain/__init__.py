"""What the engine decides: pure functions over plain state, with the time as an argument."""
