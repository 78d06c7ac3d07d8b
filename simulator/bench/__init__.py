"""The figures of `make bench`: the engine beside its floors, the whole commune with real firmware, a board of each kind, and chaos."""
