"""One file for each kind of device: which terminal is which point, and whether it calls the group."""
