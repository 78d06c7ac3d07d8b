"""Parts of a board that need more than a level: one module each, its readings passed in."""
