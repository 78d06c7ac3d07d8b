"""A street light: its relay, its current, a daylight sensor. It has no bell and calls nobody."""

# Data alone: the bench reads this file too. (point's name; type; whether it calls the group; driver)
POINTS = (
    ("lamp", "lamp", "never", "lamp"),
    ("light", "light", "never", "light"),
)
OPTIONAL = (("tamper", "tamper", "never", "contact"),)
OUTPUTS = ("lamp",)
OPTIONAL_OUTPUTS = ()
BELL = None
BELL_SENSE = None
HEAP_KB = 57  # fully fitted, an update over the air under way: half of what the 64-bit port needs, whose words are twice as long
