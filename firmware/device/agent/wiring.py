"""Puts a kind's points on a board's terminals. Only the drivers of the points that are fitted are loaded."""

from agent.points import DEBOUNCE_MS, MOMENTARY, Contact, Panel, Point

# How long a contact of this type must last: a dip while a pump starts is no power cut, an SOS button brushed against is not pressed.
HOLD_MS = {"mains": 3_000, "sos": 1_000}
# Held for so long, a contact of this type is stuck. Detectors and switches may be active for days.
STUCK_S = {"key": 60, "button": 3600, "sos": 3600}


class Wiring:
    """The board's points: `panel`, and of its gauges the `battery` and the street light's `lamp`, None where there is none.

    `outputs`: the output terminals that there are. `problems`: in words what of the configuration is wrong (such a point has its defaults)
    or does not fit the board type (such a point is left out); everything else works. `plan`: of fit.plan().
    `states`: {point: newest event} of the journal. `bell`: bell.Bell. `unix(now)`: Unix ms or None.
    """

    def __init__(self, plan, hardware, *, states, bell, unix):
        self.problems, chosen, self.outputs, rows = plan
        self.battery = None
        self.lamp = None
        self._chosen = chosen
        self._hardware = hardware
        self._states = states
        self._bell = bell
        self._unix = unix
        contacts = [self._contact(row) for row in rows if row[3] in ("contact", "mains", "loop")]
        gauges = [self._gauge(row) for row in rows if row[3] not in ("contact", "mains", "loop")]
        self.panel = Panel(contacts, gauges)

    def _parameters(self, name):
        own = self._chosen.get(name) or {}
        return {key: value for key, value in own.items() if key not in ("call", "loop", "stuck_s")}

    def _contact(self, row):
        name, what, _, driver = row
        own = self._parameters(name)
        stuck_ms = (self._chosen.get(name) or {}).get("stuck_s", STUCK_S.get(what, 0)) * 1000 or None
        if driver == "loop":
            from drivers.loop import Loop

            loop = Loop(momentary=what in MOMENTARY, stuck_ms=stuck_ms, **own)
            return self._point(row, self._hardware.voltage(self._chosen[name]["loop"]), contact=loop)
        hold_ms = own.get("hold_ms", HOLD_MS.get(what, DEBOUNCE_MS))
        # A button that must be held is no button that a touch may ring, however blind the board was meanwhile.
        latched = self._hardware.latch(name) if what in MOMENTARY and hold_ms <= DEBOUNCE_MS else None
        contact = Contact(hold_ms=hold_ms, stuck_ms=stuck_ms)
        return self._point(row, self._hardware.contact(name), latched, contact=contact)

    def _point(self, row, read=None, latched=None, *, contact=None):
        point = Point(row[0], row[1], row[2], read, latched, contact=contact)
        if point.name in self._states:
            kept = self._states[point.name]
            point.restore(kept.state, kept.id)
        return point

    def _gauge(self, row):
        return self._GAUGES[row[3]](self, self._point(row), self._parameters(row[0]))

    def _make_battery(self, point, parameters):
        from drivers.battery import Battery

        self.battery = Battery(point, self._hardware.voltage(point.name), self._bell, **parameters)
        return self.battery

    def _make_level(self, point, parameters):
        from drivers.ratiometric import level

        return level(point, self._hardware.voltage(point.name), **parameters)

    def _make_pressure(self, point, parameters):
        from drivers.ratiometric import pressure

        return pressure(point, self._hardware.voltage(point.name), **parameters)

    def _make_lamp(self, point, parameters):
        from drivers.lamp import LampCurrent
        from drivers.street import StreetLight

        current = LampCurrent(self._hardware.voltage("lamp-current"))
        self.lamp = StreetLight(point, self._hardware.switch("lamp"), current, self._unix, **parameters)
        return self.lamp

    def _make_light(self, point, parameters):
        from drivers.light import Daylight
        from drivers.street import LightSensor

        daylight = Daylight(self._hardware.voltage(point.name), **parameters)
        if self.lamp is None:  # it did not fit
            return LightSensor(point, daylight, lambda _: None)
        self.lamp.daylight = daylight
        return LightSensor(point, daylight, self.lamp.is_night)

    _GAUGES = {
        "battery": _make_battery,
        "level": _make_level,
        "pressure": _make_pressure,
        "lamp": _make_lamp,
        "light": _make_light,
    }
