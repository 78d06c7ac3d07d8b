"""The commune on a laptop: world, boards with the real firmware, scenarios, receivers."""
