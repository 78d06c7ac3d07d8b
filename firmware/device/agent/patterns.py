"""The sounds of a bell, as data: ms on, off, on and so on in turn, repeated for ever. One step alone is on for ever.

fire is temporal-3 of ISO 8201:2017 (also ANSI S3.41, EN 14604). The others are ours; none has three beats of half a second.
"""

FIRE = (500, 500, 500, 500, 500, 1500)
PRE = (100, 900)
# Three short, three long, three short.
SOS = (200, 200, 200, 200, 200, 600, 600, 200, 600, 200, 600, 600, 200, 200, 200, 200, 200, 2000)
DRILL = (1000, 3000)
TEST = (1000,)
IDENTIFY = (100, 100, 100, 1700)
FAULT = (60, 59940)

SOUNDS = {"fire": FIRE, "sos": SOS, "pre": PRE, "drill": DRILL, "test": TEST, "identify": IDENTIFY, "fault": FAULT}
# Which of several causes is heard.
GRAVEST_FIRST = ("fire", "sos", "pre", "drill", "test", "identify", "fault")


def gravest(causes):
    """The sound of `causes` (bell.Cause) that is heard, None of none."""
    for sound in GRAVEST_FIRST:
        for cause in causes:
            if cause.sound == sound:
                return sound
    return None
