"""The technician's bench."""
