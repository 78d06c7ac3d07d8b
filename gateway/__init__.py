"""The Raspberry Pi's side: engine, console, broker and their settings."""
