"""Sunset and sunrise without a network: a table for Hà Nội (21.0° N, 105.85° E), at most 6 minutes wrong between 20° and 22° N."""

ZONE_MS = 7 * 3_600_000  # Asia/Ho_Chi_Minh has no summer time
DAY_MS = 86_400_000
# Day of the year (from 0), sunrise, sunset in minutes after midnight: the 16th of each month, between them linear.
# Computed with the general solar position equations of NOAA's Global Monitoring Laboratory, zenith 90.833°.
SUN = (
    (15, 396, 1055),
    (46, 387, 1075),
    (74, 366, 1086),
    (105, 338, 1095),
    (135, 319, 1107),
    (166, 315, 1119),
    (196, 324, 1121),
    (227, 336, 1107),
    (258, 343, 1080),
    (288, 352, 1052),
    (319, 367, 1036),
    (349, 386, 1038),
)


def local(unix_ms):
    """(day of the year from 0, minute of the day) of a Unix time, in Vietnam."""
    days, rest = divmod(unix_ms + ZONE_MS, DAY_MS)
    day = days % 1461  # 1970, 1971, 1972 (leap), 1973: the calendar repeats every four years until 2100
    start = 1096 if day >= 1096 else 730 if day >= 730 else 365 if day >= 365 else 0
    return day - start, rest // 60_000


def rise_and_set(day):
    """(sunrise, sunset) in minutes after midnight on a day of the year, 0..365."""
    before = (SUN[-1][0] - 365,) + SUN[-1][1:]
    for after in SUN + ((SUN[0][0] + 365,) + SUN[0][1:],):
        if day <= after[0]:
            break
        before = after
    part = (day - before[0]) / (after[0] - before[0])
    return before[1] + (after[1] - before[1]) * part, before[2] + (after[2] - before[2]) * part


def is_night(unix_ms, *, after_sunset_min=0, before_sunrise_min=0):
    """True from so many minutes after sunset until so many before sunrise."""
    day, minute = local(unix_ms)
    sunrise, sunset = rise_and_set(day)
    return minute < sunrise - before_sunrise_min or minute >= sunset + after_sunset_min


def is_between(unix_ms, start, end):
    """True from minute `start` of the day until minute `end`, over midnight if `end` is the smaller."""
    minute = local(unix_ms)[1]
    return start <= minute < end if start <= end else minute >= start or minute < end
