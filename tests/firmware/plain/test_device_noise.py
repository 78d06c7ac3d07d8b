# Every point of every kind, on whole boards in virtual time, under what makes no fact: noise on its input while it rests and while it is
# active, spikes of a contact, and a supply that dips as far as the board survives.
from virtual_board import online

NOON = 1_763_787_600_000  # 22/11/2025 12:00 in Vietnam: no lamp burns
OPTIONAL = {
    "household": ("button-3", "button-4", "gas-1", "safe", "need-help", "coming", "tamper", "mains", "battery", "indicator"),
    "fire_point": tuple(["extinguisher-%d" % number for number in range(3, 9)] + ["tank", "pump", "mains", "strobe"]),  # noqa: UP031
    "sos_post": ("sos-2", "mains", "battery"),
    "street_light": ("tamper",),
}
LOOPS = {"household": {"heat-1": {"loop": "loop-3"}, "extinguisher-1": None}}
# Analog terminal -> (mV at rest, mV at which its point is active, noise to either side, what the dip of the supply makes of the rest).
ANALOG = {
    "loop-3": (2245, 1336, 60, 1653),  # 2.43 V of 3.3: below it an ESP32 resets itself
    "tank": (1250, 600, 30, 750),  # 3.0 V of 5
    "pump": (1250, 600, 30, 750),
    "battery": (2050, 1720, 15, 1500),
    "light": (2900, None, 30, 2900),
    "lamp-current": (1650, None, 5, 1215),
}
POINT_OF = {"loop-3": "heat-1", "lamp-current": "lamp"}
# What takes longer than a contact: from the drivers' own times.
SLOW_MS = {"mains": 3_500, "sos-1": 1_500, "sos-2": 1_500, "tank": 14_000, "pump": 9_000, "battery": 9_000}
DIP_MS = 500


class Noise:
    """A voltage with noise on it, the same in each run; `level` may be changed, and dips to `dip` while `dips` is set."""

    def __init__(self, level, swing, dip):
        self.level = level
        self._swing = swing
        self._dip = dip
        self.dips = False

    def __call__(self, us):
        dice = us * 1103515245 + 12345 & 0x7FFFFFFF
        return (self._dip if self.dips else self.level) + (dice >> 8) % (2 * self._swing + 1) - self._swing


def noisy(kind):
    """(stage, {analog terminal: its Noise}) of a board with every point fitted."""
    stage = online(kind, dict({name: {} for name in OPTIONAL[kind]}, **LOOPS.get(kind, {})))
    assert stage.faults == []
    stage.hello(NOON)
    fitted = [point.name for point in stage.parts.panel]
    wired = {name: Noise(ANALOG[name][0], ANALOG[name][2], ANALOG[name][3]) for name in ANALOG if POINT_OF.get(name, name) in fitted}
    stage.analog.update(wired)
    stage.live(3_000)
    return stage, wired


def contacts(stage):
    return [point.name for point in stage.parts.panel.contacts if point.name not in POINT_OF.values()]


def said_nothing(stage):
    stage.live(200)
    return stage.said("dev/B1/event") == [] and stage.parts.faults.texts() == [] and stage.beats("bell") == []


def spikes(stage, names, ms):
    """A spike of 2 ms every 40 ms or so, on one contact after the other."""
    start = stage.ms
    for number in range(ms // 40):
        name = names[number % len(names)]
        at = start + 40 * number + number % 10
        resting = stage.levels.get(name, False)
        stage.at(at, lambda name=name, level=not resting: stage.set(name, level))
        stage.at(at + 2, lambda name=name, level=resting: stage.set(name, level))


def rests_quietly(kind):
    stage, _ = noisy(kind)
    spikes(stage, contacts(stage), 20_000)
    stage.live(20_500)
    assert said_nothing(stage), (stage.said("dev/B1/event"), stage.parts.faults.texts())


def dips_quietly(kind):
    stage, wired = noisy(kind)
    for _ in range(3):
        for noise in wired.values():
            noise.dips = True
        if "mains" in contacts(stage):
            stage.set("mains", True)
        stage.live(DIP_MS)
        for noise in wired.values():
            noise.dips = False
        if "mains" in contacts(stage):
            stage.set("mains", False)
        stage.live(3_000)
    assert said_nothing(stage), (stage.said("dev/B1/event"), stage.parts.faults.texts())


def is_one_fact_each(kind):
    stage, wired = noisy(kind)
    for name in contacts(stage):
        stage.set(name, True)
        stage.live(SLOW_MS.get(name, 200))
        spikes(stage, [name], 1_000)
        stage.live(1_500)
        stage.set(name, False)
        stage.live(SLOW_MS.get(name, 200) + 100)
        assert stage.states(name) == ["active", "clear"], (name, stage.states(name))
        stage.receipt_all()
    for terminal, noise in wired.items():
        rest, active, _, _ = ANALOG[terminal]
        name = POINT_OF.get(terminal, terminal)
        if active is not None:
            for level in (active, rest):
                noise.level = level
                stage.live(SLOW_MS.get(name, 1_000), step_ms=20)
                stage.live(2_000)
            assert stage.states(name) == ["active", "clear"], (name, stage.states(name))
            stage.receipt_all()


def test_noise_on_every_input_of_a_home_is_no_fact():
    rests_quietly("household")


def test_noise_on_every_input_of_a_fire_point_is_no_fact():
    rests_quietly("fire_point")


def test_noise_on_every_input_of_an_sos_post_is_no_fact():
    rests_quietly("sos_post")


def test_noise_on_every_input_of_a_street_light_is_no_fact():
    rests_quietly("street_light")


def test_brown_out_that_a_home_survives_is_no_fact_at_any_point():
    dips_quietly("household")


def test_brown_out_that_a_fire_point_survives_is_no_fact_at_any_point():
    dips_quietly("fire_point")


def test_brown_out_that_an_sos_post_survives_is_no_fact_at_any_point():
    dips_quietly("sos_post")


def test_brown_out_that_a_street_light_survives_is_no_fact_at_any_point():
    dips_quietly("street_light")


def test_every_point_of_a_home_is_one_fact_in_noise():
    is_one_fact_each("household")


def test_every_point_of_a_fire_point_is_one_fact_in_noise():
    is_one_fact_each("fire_point")


def test_every_point_of_an_sos_post_is_one_fact_in_noise():
    is_one_fact_each("sos_post")


def test_every_point_of_a_street_light_is_one_fact_in_noise():
    is_one_fact_each("street_light")
