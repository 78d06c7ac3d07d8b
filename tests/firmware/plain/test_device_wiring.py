from agent import fit
from agent.bell import Bell
from agent.events import Event
from agent.wiring import Wiring


class Table:
    """A kind or a board type: names with values."""

    def __init__(self, **values):
        for name, value in values.items():
            setattr(self, name, value)


KIND = Table(
    POINTS=(("button-1", "button", "at_once", "contact"), ("tank", "level", "never", "level")),
    OPTIONAL=(
        ("smoke-1", "smoke", "verify", "contact"),
        ("sos-1", "sos", "at_once", "contact"),
        ("battery", "battery", "never", "battery"),
    ),
    OUTPUTS=("bell",),
    OPTIONAL_OUTPUTS=("strobe",),
    HEAP_KB=60,
)
INPUTS = {"button-1": (4, 0), "smoke-1": (5, 0), "sos-1": (4, 0)}
OUTPUTS = {"bell": (6, 1), "strobe": (7, 1)}
ANALOG = {"tank": 32, "battery": 25, "loop-1": 33, "loop-2": 32}
ADC1 = (32, 33, 36)
PINS = Table(NAME="board_a", HEAP_KB=100, ADC1=ADC1, INPUTS=INPUTS, OUTPUTS=OUTPUTS, ANALOG=ANALOG)


def why(chosen, kind=KIND, pins=PINS):
    return [text for _, text in fit.problems("shed", kind, chosen, pins)]


def test_kind_that_fits_has_no_problems():
    assert why({}) == []
    assert why({"smoke-1": {"hold_ms": 200}, "strobe": {}, "tank": {"low": 40, "supply_mv": 4900}}) == []


def test_missing_terminals_are_named_with_kind_point_and_board():
    bare = Table(NAME="board_a", HEAP_KB=100, ADC1=ADC1, INPUTS={}, OUTPUTS={"bell": (6, 1)}, ANALOG={})
    assert why({"strobe": {}}, pins=bare) == [
        "shed: board_a has no output strobe",
        "shed: button-1: board_a has no input button-1",
        "shed: tank: board_a has no analog input tank",
    ]


def test_analog_point_on_no_adc1_channel_is_refused():
    assert why({"battery": {}}) == ["shed: battery: GPIO 25 of board_a is no ADC1 channel"]


def test_two_points_on_one_gpio_are_refused_and_one_in_the_place_of_the_other_is_not():
    assert why({"sos-1": {}}) == ["shed: sos-1: GPIO 4 of board_a is taken by button-1"]
    assert why({"sos-1": {}, "button-1": None}) == []
    assert why({"smoke-1": {"loop": "loop-2"}}) == ["shed: smoke-1: GPIO 32 of board_a is taken by tank"]
    assert why({"smoke-1": {"loop": "loop-1"}}) == []


def test_kind_without_any_button_is_refused():
    assert why({"button-1": None}) == ["shed: expected at least one of button-1, sos-1"]
    assert why({"button-1": None, "sos-1": {}}) == []
    pole = Table(POINTS=KIND.POINTS[1:], OPTIONAL=(), OUTPUTS=(), OPTIONAL_OUTPUTS=(), HEAP_KB=60)
    assert why({}, pole) == []


def test_kind_that_needs_more_memory_than_the_board_has_is_refused():
    small = Table(NAME="board_a", HEAP_KB=40, ADC1=ADC1, INPUTS=INPUTS, OUTPUTS=OUTPUTS, ANALOG=ANALOG)
    assert why({}, pins=small) == ["shed: needs 60 kB of heap, board_a has 40"]


def test_wrong_parameters_are_named_with_what_was_expected():
    assert why({"window": {}}) == ["points.window: not a point of shed"]
    assert why({"tank": {"hight": 3}}) == ["points.tank.hight: expected one of full, hold_s, hysteresis, low, supply_mv"]
    assert why({"tank": {"low": 0}}) == ["points.tank.low: expected 1..100000, got 0"]
    assert why({"tank": {"low": True}}) == ["points.tank.low: expected 1..100000, got True"]
    assert why({"button-1": {"call": "now"}}) == ['points.button-1.call: expected one of at_once, verify, never, got "now"']
    assert why({"tank": {"loop": "loop-1"}}) == ['points.tank.loop: expected the terminal of a loop, at a contact, got "loop-1"']
    assert why({"button-1": {"loop": 3}}) == ["points.button-1.loop: expected the terminal of a loop, at a contact, got 3"]
    assert why({"button-1": {"normal_mv": 2245}}) == ["points.button-1.normal_mv: expected one of hold_ms, stuck_s"]
    assert why({"strobe": {"low": 1}}) == ["points.strobe: expected {} or null"]


def test_parameters_that_do_not_go_together_are_refused():
    assert why({"tank": {"low": 98}}) == ["points.tank.low: expected low + hysteresis of at most full (100), got 103"]
    assert why({"tank": {"full": 20}}) == ["points.tank.low: expected low + hysteresis of at most full (20), got 35"]
    assert why({"tank": {"full": 20, "low": 10}}) == []
    assert why({"button-1": {"hold_ms": 2000, "stuck_s": 2}}) == ["points.button-1.stuck_s: expected longer than hold_ms (2000), got 2 s"]
    assert why({"button-1": {"hold_ms": 2000, "stuck_s": 0}}) == []


def test_hours_of_rest_are_two_different_minutes():
    pins = Table(NAME="board_a", HEAP_KB=100, ADC1=ADC1, INPUTS={}, OUTPUTS={"lamp": (6, 1)}, ANALOG={"lamp-current": 33})
    pole = Table(POINTS=(("lamp", "lamp", "never", "lamp"),), OPTIONAL=(), OUTPUTS=("lamp",), OPTIONAL_OUTPUTS=(), HEAP_KB=60)
    assert why({"lamp": {"off_from": 60}}, pole, pins) == ["points.lamp.off_from: expected with off_to, or neither"]
    assert why({"lamp": {"off_from": 60, "off_to": 60}}, pole, pins) == [
        "points.lamp.off_from: expected another minute than off_to, got 60"
    ]
    assert why({"lamp": {"off_from": 60, "off_to": 0}}, pole, pins) == []


def test_only_what_is_an_alarm_may_call():
    assert why({"tank": {"call": "at_once"}}) == ["points.tank.call: expected never, for a level is no alarm, got at_once"]
    assert why({"tank": {"call": "never"}, "button-1": {"call": "verify"}}) == []


def test_it_is_never_bright_and_dark_at_once():
    assert fit.LIMITS["light"]["dark_lx"][1] < fit.LIMITS["light"]["bright_lx"][0]


def test_loop_is_none_of_the_other_analog_terminals():
    assert why({"tank": None, "button-1": {"loop": "tank"}}) == [
        'points.button-1.loop: expected the terminal of a loop, at a contact, got "tank"'
    ]


class Hardware:
    """Terminals in virtual time: `active`, `microvolts` and `edges` by name, `latches` those that were asked for."""

    def __init__(self):
        self.active = {}
        self.microvolts = {}
        self.edges = {}
        self.latches = []

    def contact(self, terminal):
        return lambda: self.active.get(terminal, False)

    def latch(self, terminal):
        self.latches.append(terminal)
        return lambda: self.edges.pop(terminal, False)

    def voltage(self, terminal):
        return lambda: self.microvolts.get(terminal, 1_500_000)


def wire(chosen, *, states=None, kind=KIND, pins=PINS):
    hardware = Hardware()
    bell = Bell(lambda on: None, None)
    return hardware, Wiring(fit.plan("shed", kind, chosen, pins), hardware, states=states or {}, bell=bell, unix=lambda now: None)


def settle(point, seconds=2, start=0):
    for now in range(start, start + seconds * 1000, 10):
        point.state = point.sense(now)
    return point.state


def test_points_are_those_of_the_kind_and_of_the_configuration():
    _, wiring = wire({})
    assert [(point.name, point.policy) for point in wiring.panel] == [("button-1", "at_once"), ("tank", "never")]
    _, wiring = wire({"tank": None, "smoke-1": {"call": "at_once"}, "strobe": {}})
    assert [(point.name, point.policy) for point in wiring.panel] == [("button-1", "at_once"), ("smoke-1", "at_once")]
    assert wiring.outputs == ["bell", "strobe"]
    assert wiring.battery is None


def test_what_does_not_fit_is_left_out_and_the_rest_works():
    hardware, wiring = wire({"battery": {}, "window": {}, "smoke-1": {}})
    assert len(wiring.problems) == 2
    assert [point.name for point in wiring.panel] == ["button-1", "smoke-1", "tank"]
    hardware.active["button-1"] = True
    assert settle(wiring.panel.contacts[0]) == "active"


def test_point_with_a_wrong_parameter_works_by_its_defaults_and_says_so():
    wrong = {"button-1": {"hold_ms": 0}, "tank": {"low": 99}, "strobe": {"low": 1}, "smoke-1": {"loop": "loop-1", "hold_ms": 5}}
    hardware, wiring = wire(wrong)
    assert len(wiring.problems) == 4
    button, smoke, tank = wiring.panel
    hardware.active["button-1"] = True
    assert settle(button) == "active"
    hardware.microvolts["loop-1"] = 1_336_000
    assert settle(smoke) == "active"
    assert tank.name == "tank"
    assert wiring.outputs == ["bell", "strobe"]


def test_contact_whose_loop_is_unknown_is_left_out():
    _, wiring = wire({"smoke-1": {"loop": 7}})
    assert [point.name for point in wiring.panel] == ["button-1", "tank"]
    assert len(wiring.problems) == 1


def test_contact_on_a_loop_has_its_four_states():
    hardware, wiring = wire({"smoke-1": {"loop": "loop-1", "normal_mv": 2300}})
    smoke = wiring.panel.contacts[1]
    now = 0
    for microvolts, state in ((2_300_000, "clear"), (1_336_000, "active"), (142_000, "short"), (2_300_000, "clear"), (3_100_000, "open")):
        hardware.microvolts["loop-1"] = microvolts
        assert settle(smoke, start=now) == state
        now += 2000


def test_button_on_a_loop_that_stays_active_is_stuck_as_on_a_contact():
    for chosen, seconds in (({"loop": "loop-1"}, 3600), ({"loop": "loop-1", "stuck_s": 20}, 20)):
        hardware, wiring = wire({"button-1": chosen})
        button = wiring.panel.contacts[0]
        hardware.microvolts["loop-1"] = 1_336_000
        assert next(second for second in range(4000) if settle(button, 1, second * 1000) == "stuck") == seconds
        hardware.microvolts["loop-1"] = 2_245_000
        assert settle(button, start=5_000_000) == "clear"
    assert why({"button-1": {"loop": "loop-1", "stuck_s": 20}}) == []


def test_states_of_the_journal_are_taken_up():
    kept = {"button-1": Event("9c41f2aa-1-5", "button-1", "button", "stuck", at=None)}
    _, wiring = wire({}, states=kept)
    button = wiring.panel.contacts[0]
    assert (button.state, button.event_id) == ("stuck", "9c41f2aa-1-5")


def test_guarded_button_latches_no_edge_and_an_open_one_does():
    hardware, wiring = wire({"button-1": None, "sos-1": {}})
    assert hardware.latches == []
    sos = wiring.panel.contacts[0]
    hardware.active["sos-1"] = True
    assert settle(sos, seconds=1) == "clear"
    assert settle(sos, seconds=1, start=1000) == "active"
    hardware, _ = wire({"button-1": None, "sos-1": {"hold_ms": 30}})
    assert hardware.latches == ["sos-1"]


def test_times_of_a_contact_are_parameters():
    hardware, wiring = wire({"button-1": {"hold_ms": 500, "stuck_s": 10}})
    button = wiring.panel.contacts[0]
    hardware.active["button-1"] = True
    assert next(now for now in range(0, 1000, 10) if button.sense(now) == "active") == 500
    assert settle(button, seconds=10, start=1000) == "stuck"


def test_thresholds_of_a_gauge_are_parameters():
    hardware, wiring = wire({"tank": {"full": 200, "low": 90, "hysteresis": 10, "hold_s": 1}})
    tank = wiring.panel.gauges[0]
    hardware.microvolts["tank"] = 1_150_000  # 2.3 V of 5 V: 45 % of the scale
    tank.sample(0)
    assert tank.sample(2000) == "clear"
    assert tank.value == 90
    hardware.microvolts["tank"] = 1_100_000
    tank.sample(3000)
    assert tank.sample(4000) == "active"
