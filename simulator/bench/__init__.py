"""The figures of `make bench`: the engine alone beside its floors, the whole commune with the real firmware, and chaos."""
