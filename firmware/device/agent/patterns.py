"""The sounds of a bell, as data: (on?, ms) steps, repeated for ever.

fire is temporal-3 of ISO 8201:2017 (also ANSI S3.41, EN 14604). The others are ours; none has three beats of half a second.
"""

FIRE = ((1, 500), (0, 500), (1, 500), (0, 500), (1, 500), (0, 1500))
PRE = ((1, 100), (0, 900))
_DOT = ((1, 200), (0, 200))
_DASH = ((1, 600), (0, 200))
SOS = _DOT * 3 + ((0, 400),) + _DASH * 3 + ((0, 400),) + _DOT * 3 + ((0, 1800),)
DRILL = ((1, 1000), (0, 3000))
TEST = ((1, 1000),)
IDENTIFY = ((1, 100), (0, 100), (1, 100), (0, 1700))
FAULT = ((1, 60), (0, 59940))

SOUNDS = {"fire": FIRE, "sos": SOS, "pre": PRE, "drill": DRILL, "test": TEST, "identify": IDENTIFY, "fault": FAULT}
# Which of several causes is heard.
GRAVEST_FIRST = ("fire", "sos", "pre", "drill", "test", "identify", "fault")


def gravest(names):
    """The one of `names` that is heard, None of none."""
    for name in GRAVEST_FIRST:
        if name in names:
            return name
    return None
