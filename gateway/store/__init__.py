"""The engine's database: one writer, and queries for everybody else."""
