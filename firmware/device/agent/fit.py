"""Whether a kind of device, with its configured points, fits a board type. Data and arithmetic alone: the bench runs this file too.

A kind (kinds/*.py) has POINTS, fitted unless the configuration says no, and OPTIONAL, fitted if it says so: rows of (name, type, policy,
driver). OUTPUTS and OPTIONAL_OUTPUTS are the terminals that it switches, HEAP_KB what it needs. A board type (boards/*.py) has NAME,
INPUTS, OUTPUTS, ANALOG, ADC1 and HEAP_KB.
"""

from protocol.wire import shown

CONTACTS = ("contact", "mains")  # drivers on a digital input; the others are on an ADC1 channel
CALLS = ("at_once", "verify", "never")
DAY_S = 86_400
# driver -> parameter -> least and greatest value; each parameter's default stands in its driver.
LIMITS = {
    "contact": {"hold_ms": (10, 10_000), "stuck_s": (0, 7 * DAY_S)},
    "mains": {"hold_ms": (10, 60_000)},
    "loop": {"hold_ms": (10, 1_000), "normal_mv": (2020, 2470), "stuck_s": (0, 7 * DAY_S)},
    "level": {"full": (1, 100_000), "low": (1, 100_000), "hysteresis": (0, 100_000), "hold_s": (1, 3600), "supply_mv": (4500, 5500)},
    "pressure": {"full": (1, 100_000), "low": (1, 100_000), "hysteresis": (0, 100_000), "hold_s": (1, 3600), "supply_mv": (4500, 5500)},
    "battery": {
        "low": (5, 60),
        "hysteresis": (1, 40),
        "hold_s": (1, 3600),
        "sag_mv": (50, 1000),
        "capacity_mah": (500, 20_000),
        "load_ma": (20, 1000),
    },
    "lamp": {
        "nominal_ma": (60, 5000),
        "hold_s": (1, 3600),
        "after_sunset_min": (-60, 120),
        "before_sunrise_min": (-60, 120),
        "off_from": (0, 1439),
        "off_to": (0, 1439),
    },
    "light": {"dark_lx": (1, 25), "bright_lx": (26, 60), "hold_s": (1, 3600)},
}
# What its driver takes where the configuration is silent, as far as two parameters must agree.
DEFAULTS = {
    "level": {"full": 100, "low": 30, "hysteresis": 5},
    "pressure": {"full": 1600, "low": 400, "hysteresis": 50},
}
BY_HAND = ("button", "sos")  # a kind that has such points has at least one of them
ALARMS = ("button", "smoke", "heat", "gas", "sos")  # types that may call the group
# Terminals of a driver besides the one that has its point's name.
ALSO = {"lamp": ("lamp-current",)}
ONLY_ALSO = ("lamp",)  # whose point has no terminal of its own name among the inputs


def fitted(kind, chosen):
    """The rows of the points that `chosen` ({name: parameters, or None for not fitted}) leaves or adds, driver and policy as chosen."""
    rows = []
    for optional, group in ((False, kind.POINTS), (True, kind.OPTIONAL)):
        for name, what, policy, driver in group:
            parameters = chosen.get(name, None if optional else {})
            if parameters is not None:
                rows.append((name, what, parameters.get("call", policy), "loop" if "loop" in parameters else driver))
    return rows


def outputs(kind, chosen):
    """The output terminals of a kind with the optional ones that `chosen` names."""
    return kind.OUTPUTS + tuple([name for name in kind.OPTIONAL_OUTPUTS if chosen.get(name) is not None])


def terminals(row, chosen):
    """The names of the input terminals of a row."""
    name, _, _, driver = row
    if driver == "loop":
        return (chosen[name]["loop"],)
    return ALSO.get(driver, ()) if driver in ONLY_ALSO else (name,)


def plan(kind_name, kind, chosen, pins):
    """(problems in words, usable parameters, output terminals that there are, rows of the points that there are) of a board."""
    misfits = problems(kind_name, kind, chosen, pins)
    chosen = usable(kind, chosen)
    out = [name for name, _ in misfits]
    rows = [row for row in fitted(kind, chosen) if row[0] not in out]
    return [why for _, why in misfits], chosen, [name for name in outputs(kind, chosen) if name not in out], rows


def problems(kind_name, kind, chosen, pins):
    """[(point or output to be left out, or "", why)]: all that is wrong, by name. Empty if `kind` with `chosen` fits the board `pins`."""
    found = [("", why) for why in _wrong_parameters(kind_name, kind, chosen)]
    by_hand = [row[0] for row in kind.POINTS + kind.OPTIONAL if row[1] in BY_HAND]
    if by_hand and not [row for row in fitted(kind, chosen) if row[0] in by_hand]:
        found.append(("", "%s: expected at least one of %s" % (kind_name, ", ".join(by_hand))))
    chosen = usable(kind, chosen)
    users = {}  # GPIO -> who has it
    for terminal in outputs(kind, chosen):
        if terminal in pins.OUTPUTS:
            users[pins.OUTPUTS[terminal][0]] = terminal
        else:
            found.append((terminal, "%s: %s has no output %s" % (kind_name, pins.NAME, terminal)))
    for row in fitted(kind, chosen):
        for terminal in terminals(row, chosen):
            why = _misfit(row, terminal, pins, users)
            if why:
                found.append((row[0], "%s: %s: %s" % (kind_name, row[0], why)))
    if kind.HEAP_KB > pins.HEAP_KB:
        found.append(("", "%s: needs %d kB of heap, %s has %d" % (kind_name, kind.HEAP_KB, pins.NAME, pins.HEAP_KB)))
    return found


def usable(kind, chosen):
    """`chosen` as far as it is right. A point with a wrong parameter is better than none: it has its defaults, on its own loop."""
    rows = _rows(kind)
    right = {name: _usable(rows[name], parameters) for name, parameters in chosen.items() if name in rows}
    for name in kind.OPTIONAL_OUTPUTS:
        if chosen.get(name) is not None:
            right[name] = {}
    return right


def _usable(row, parameters):
    if not parameters or not _what_is_wrong(row, parameters):
        return parameters
    own = {"loop": parameters["loop"]} if "loop" in parameters else {}
    return None if _what_is_wrong(row, own) else own


def _rows(kind):
    return {row[0]: row for row in kind.POINTS + kind.OPTIONAL}


def own_problems(kind_name, chosen):
    """The problems of a kind on this board."""
    import pins

    return problems(kind_name, __import__("kinds." + kind_name, None, None, ("POINTS",)), chosen, pins)


def _misfit(row, terminal, pins, users):
    """Why a row cannot have this terminal, None if it can: then it has it."""
    if row[3] in CONTACTS:
        if terminal not in pins.INPUTS:
            return "%s has no input %s" % (pins.NAME, terminal)
        gpio = pins.INPUTS[terminal][0]
    else:
        if terminal not in pins.ANALOG:
            return "%s has no analog input %s" % (pins.NAME, terminal)
        gpio = pins.ANALOG[terminal]
        if gpio not in pins.ADC1:
            return "GPIO %d of %s is no ADC1 channel" % (gpio, pins.NAME)
    if gpio in users:
        return "GPIO %d of %s is taken by %s" % (gpio, pins.NAME, users[gpio])
    users[gpio] = row[0]
    return None


def _wrong_parameters(kind_name, kind, chosen):
    rows = _rows(kind)
    found = []
    for name, parameters in chosen.items():
        if name in kind.OPTIONAL_OUTPUTS:
            if parameters:
                found.append("points.%s: expected {} or null" % name)
        elif name not in rows:
            found.append("points.%s: not a point of %s" % (name, kind_name))
        elif parameters is not None:
            why = _what_is_wrong(rows[name], parameters)
            if why:
                found.append("points.%s.%s" % (name, why))
    return found


def _what_is_wrong(row, parameters):
    return _wrong_parameter(row, parameters) or _contradiction(row, parameters)


def _wrong_parameter(row, parameters):
    """The first parameter that is wrong, in words, or None."""
    _, what, _, driver = row
    limits = LIMITS["loop" if "loop" in parameters else driver]
    for key, value in parameters.items():
        if key == "call":
            if value not in CALLS:
                return "call: expected one of %s, got %s" % (", ".join(CALLS), shown(value))
            if what not in ALARMS and value != "never":
                return "call: expected never, for a %s is no alarm, got %s" % (what, value)
        elif key == "loop":
            if driver != "contact" or type(value) is not str or not value.startswith("loop-"):
                return "loop: expected the terminal of a loop, at a contact, got %s" % shown(value)
        elif key not in limits:
            return "%s: expected one of %s" % (key, ", ".join(sorted(limits)))
        elif type(value) is not int or not limits[key][0] <= value <= limits[key][1]:
            return "%s: expected %d..%d, got %s" % (key, limits[key][0], limits[key][1], shown(value))
    return None


def _contradiction(row, parameters):
    """Which of the parameters, each right by itself, do not go together, in words, or None."""
    driver = row[3]
    if driver in DEFAULTS:
        limits = {key: parameters.get(key, default) for key, default in DEFAULTS[driver].items()}
        clear, full = limits["low"] + limits["hysteresis"], limits["full"]
        if clear > full:
            return "low: expected low + hysteresis of at most full (%d), got %d" % (full, clear)
    elif driver == "contact" and parameters.get("stuck_s") and parameters.get("hold_ms", 0) >= parameters["stuck_s"] * 1000:
        return "stuck_s: expected longer than hold_ms (%d), got %d s" % (parameters["hold_ms"], parameters["stuck_s"])
    elif driver == "lamp" and ("off_from" in parameters) != ("off_to" in parameters):
        return "off_from: expected with off_to, or neither"
    elif driver == "lamp" and "off_from" in parameters and parameters["off_from"] == parameters["off_to"]:
        return "off_from: expected another minute than off_to, got %d" % parameters["off_from"]
    return None
