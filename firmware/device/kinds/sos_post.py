"""An SOS post: a button that counts only when it is held, a second one that calls silently, a light, a bell."""

# Data alone: the bench reads this file too. (terminal, which is also the point's name; type; whether it calls the group; driver)
POINTS = (
    ("sos-1", "sos", "at_once", "contact"),
    ("tamper", "tamper", "never", "contact"),
)
# The engine tells a silent alarm by its event, of type sos and not calling: it rings no bell.
OPTIONAL = (
    ("sos-2", "sos", "never", "contact"),
    ("mains", "mains", "never", "mains"),
    ("battery", "battery", "never", "battery"),
)
OUTPUTS = ("bell", "light")
OPTIONAL_OUTPUTS = ()
BELL = "bell"
BELL_SENSE = "bell-sense"
HEAP_KB = 57  # fully fitted, an update over the air under way: half of what the 64-bit port needs, whose words are twice as long
