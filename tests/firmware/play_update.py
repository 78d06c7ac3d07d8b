# Updates over the air that go well or wrong, as updating.py plays them: the argument is a test below, "refusal" or "kept".
# MicroPython only.
import hashlib
import os
import sys
from binascii import hexlify

import updating as u
import vfs
from agent import blackbox
from nor import Flash

BLOCKS = 48


def board():
    flash = Flash(BLOCKS)
    vfs.VfsLfs2.mkfs(flash)
    u.new_flash(flash)
    return flash


def fetched(world, ms=60_000):
    """A board that has taken the order up and has restarted with the new version."""
    stage = u.start(board(), world)
    u.live(stage, world, 300)
    u.order(stage, world)
    return u.restarted(stage, world, ms)


def refused(world):
    """A board that has taken the order up, and says why it does not run the bundle: (stage, error)."""
    stage = u.start(board(), world)
    u.live(stage, world, 300)
    u.order(stage, world)
    for _ in range(300):
        u.live(stage, world, 100)
        assert not stage.resets
        if world.state == "refused" or not world.answers[-1][1]:
            break
    assert world.starts == ["a"]
    assert "main.mpy" not in (os.listdir(u.ROOT + "/b") if "b" in os.listdir(u.ROOT) else []) or "verified" not in os.listdir(u.ROOT + "/b")
    assert not world.answers[-1][1]
    return stage, world.answers[-1][2]


def test_good_version_is_kept():
    world = u.World()
    stage = fetched(world)
    assert world.starts == ["a", "b"]
    u.live(stage, world, 1000)
    assert [birth["update"]["state"] for birth in world.births if "update" in birth][-1] == "kept", world.births
    assert world.births[-1]["app"] == world.wanted
    assert world.births[-1]["fw"] == "0.2.0"
    states = []
    for birth in world.births:
        state = birth.get("update", {}).get("state")
        if state and state not in states:
            states.append(state)
    assert states == ["fetching", "verified", "trial", "kept"], states
    assert world.answers[0] == ("o-1", True, None)
    assert world.answers[-1] == ("o-1", True, None)
    flash = stage.flash
    vfs.umount("/flash")
    stage = u.start(flash, world)
    u.live(stage, world, 300)
    assert world.starts[-1] == "b"
    assert world.state == "kept"
    # The same order once more changes nothing.
    world.orders = 0
    u.order(stage, world)
    u.live(stage, world, 1000)
    assert not stage.resets
    vfs.umount("/flash")


def judged(new, error):
    world = u.World(new)
    stage = u.start(board(), world)
    u.live(stage, world, 300)
    u.order(stage, world)
    while world.state != "rolled_back":
        assert len(world.starts) < 12
        stage = u.restarted(stage, world) if stage.resets else stage
        u.live(stage, world, 100)
    assert world.starts[-1] == "a"
    assert error in world.births[-1]["update"]["error"], world.births[-1]
    assert world.births[-1]["app"] == u.OLD
    assert not world.births[-1].get("safe")
    u.press(stage, world, True)
    assert stage.bell
    u.press(stage, world, False)
    u.live(stage, world, 500)
    u.check_alarms(world)
    u.silence(stage, world)
    u.order(stage, world)  # with a new id it may be tried again
    u.live(stage, world, 300)
    assert world.answers[-1] == ("o-2", True, None), world.answers
    vfs.umount("/flash")
    return world


def test_version_that_crashes_at_once_is_rolled_back_by_the_launcher():
    world = judged(u.CRASHES, "3 starts without a receipt")
    assert world.starts == ["a", "b", "b", "b", "a"], world.starts


def test_version_that_cannot_connect_is_judged_by_the_old_one():
    world = judged(u.DEAF, "not online within")
    assert world.starts == ["a", "b", "a"], world.starts


def test_version_that_cannot_send_is_rolled_back():
    world = judged(u.MUTE, "no receipt within")
    assert world.starts == ["a", "b", "a"], world.starts


def test_engine_that_is_away_costs_no_good_version():
    world = u.World()
    stage = u.start(board(), world)
    u.live(stage, world, 300)
    u.order(stage, world)
    while "verified" not in [birth.get("update", {}).get("state") for birth in world.births]:
        u.live(stage, world, 100)
    world.away = True
    stage = u.restarted(stage, world)
    assert world.starts == ["a", "b"]
    stage = u.restarted(stage, world)  # it gives way to the old one, which may still find nobody for days
    assert world.starts == ["a", "b", "a"]
    u.live(stage, world, 20_000)
    assert not stage.resets
    u.gate.SOON_MS, before = 1_000, u.gate.SOON_MS
    world.away = False
    stage.ring(1, None, covers={"B2": "9c41f2aa-1-1"})
    u.back(stage)
    u.live(stage, world, 10_000)
    assert stage.greeted
    assert not stage.resets, "its group has an incident"
    stage.ring(2, None, incident=None)
    stage = u.restarted(stage, world)
    u.gate.SOON_MS = before
    u.live(stage, world, 1000)
    assert world.starts == ["a", "b", "a", "b"]
    assert world.state == "kept"
    vfs.umount("/flash")


def test_press_on_trial_of_a_version_that_nobody_hears_goes_out_from_the_old_one():
    for new in (u.DEAF, u.MUTE):
        world = u.World(new)
        u.gate.GATE_MS = u.gate.ALONE_MS = 60_000
        stage = fetched(world)
        assert world.starts == ["a", "b"]
        u.press(stage, world, True)
        assert stage.bell
        stage = u.restarted(stage, world, 3_000)
        u.gate.GATE_MS = u.gate.ALONE_MS = 2_000
        assert world.starts[-1] == "a"
        u.live(stage, world, 1000)
        assert u.rings(stage)
        u.press(stage, world, False)
        u.live(stage, world, 1000)
        u.check_alarms(world)
        vfs.umount("/flash")


def test_press_while_it_fetches_rings_at_once_and_nothing_is_fetched_meanwhile():
    world = u.World()
    stage = u.start(board(), world)
    u.live(stage, world, 300)
    u.order(stage, world)
    presses = 0
    for turn in range(300):
        u.live(stage, world, 100)
        if stage.resets:
            break
        if turn % 15 == 6:
            before = stage.ms
            world.moves.append(True)
            stage.levels[u.POINT] = True
            u.live(stage, world, 200)
            began = [ms for ms, on in stage.beats("bell", before) if on]
            assert began, (turn, stage.ms, world.fetched, world.births[-1])
            assert began[0] - before <= 150
            count = len(world.fetched)
            u.live(stage, world, 2_000)
            assert len(world.fetched) == count
            assert not stage.resets
            u.press(stage, world, False)
            u.silence(stage, world)
            presses += 1
    assert presses >= 2
    stage = u.restarted(stage, world)
    u.live(stage, world, 1000)
    assert world.state == "kept"
    u.check_alarms(world)
    vfs.umount("/flash")


def test_press_in_each_phase_rings_and_is_told_once():
    for new, phases in ((u.GOOD, ("fetching", "verified", "trial", "kept")), (u.MUTE, ("trial", "rolled_back"))):
        for phase in phases:
            world = u.World(new)
            stage = u.start(board(), world)
            u.live(stage, world, 300)
            u.order(stage, world)
            while phase not in [birth.get("update", {}).get("state") for birth in world.births]:
                stage = u.restarted(stage, world) if stage.resets else stage
                u.live(stage, world, 100)
            stage = u.restarted(stage, world) if stage.resets else stage
            before = stage.ms
            u.press(stage, world, True)
            assert u.rings(stage, before), (new, phase)
            u.press(stage, world, False)
            for _ in range(200):
                stage = u.restarted(stage, world) if stage.resets else stage
                u.live(stage, world, 100)
                if world.newest and len(world.told) == 2:
                    u.silence(stage, world)
                    break
            while world.state not in ("kept", "rolled_back"):
                stage = u.restarted(stage, world) if stage.resets else stage
                u.live(stage, world, 100)
            assert world.starts[-1] == ("b" if new == u.GOOD else "a")
            u.check_alarms(world)
            vfs.umount("/flash")


def test_press_on_trial_that_is_silenced_by_key_goes_out_from_the_old_one_as_soon():
    u.gate.GATE_MS = u.gate.ALONE_MS = 60_000
    world = u.World(u.DEAF)
    stage = fetched(world)
    u.press(stage, world, True)
    u.press(stage, world, False)
    stage.levels["silence"] = True
    u.live(stage, world, 200)
    assert not stage.bell
    stage = u.restarted(stage, world, 3_000)
    u.gate.GATE_MS = u.gate.ALONE_MS = 2_000
    assert world.starts[-1] == "a"
    u.live(stage, world, 1_000)
    u.check_alarms(world)
    vfs.umount("/flash")


def test_press_just_before_the_restart_puts_it_off():
    world = u.World()
    stage = u.start(board(), world)
    u.live(stage, world, 300)
    u.order(stage, world)
    for _ in range(600):
        if u.release.load(u.ROOT).phase == "trial":
            break
        u.live(stage, world, 100)
    assert not stage.resets
    stage.parts.download.poll(stage.parts.clock.now())
    assert len(stage.parts.keeper) == 1, "the restart"
    world.moves.append(True)
    stage.levels[u.POINT] = True
    stage.live(90)
    assert stage.bell
    u.live(stage, world, 5_000)
    assert not stage.resets
    u.press(stage, world, False)
    u.silence(stage, world)
    stage = u.restarted(stage, world, 1_000)
    u.live(stage, world, 1_000)
    assert world.state == "kept"
    u.check_alarms(world)
    vfs.umount("/flash")


def test_restart_waits_for_the_end_of_the_groups_incident_though_it_is_silenced():
    world = u.World()
    stage = u.start(board(), world)
    u.live(stage, world, 300)
    u.order(stage, world)
    u.live(stage, world, 2_000)
    assert stage.parts.download
    stage.ring(1, "fire", covers={"B2": "9c41f2aa-1-1"})
    u.live(stage, world, 300)
    assert stage.bell
    stage.levels["silence"] = True
    u.live(stage, world, 300)
    assert not stage.bell
    for rev, pattern in ((1, "fire"), (2, None)):
        stage.ring(rev, pattern, covers={"B2": "9c41f2aa-1-1"})
        u.live(stage, world, 30_000)
        assert not stage.resets, "the next activation would find it away, or on a version that hears nobody"
    stage.ring(3, None, covers={"B2": "9c41f2aa-1-1"}, incident=None)
    stage = u.restarted(stage, world)
    u.live(stage, world, 1_000)
    assert world.state == "kept"
    vfs.umount("/flash")


def test_lack_of_memory_for_a_step_of_the_update_or_for_words_about_it_leaves_nothing_under_way_for_ever():
    def none(*_):
        raise MemoryError

    world = u.World()
    stage = u.start(board(), world)
    u.live(stage, world, 300)
    u.order(stage, world)
    stage.parts.keeper.chore, chore = none, stage.parts.keeper.chore
    u.live(stage, world, 300)
    assert stage.trips
    stage.parts.keeper.chore = chore
    u.live(stage, world, 2_000)
    assert world.fetched
    stage.parts.watch.caught, caught = none, stage.parts.watch.caught
    u.download.hashlib, hashlib_ = None, u.download.hashlib
    try:
        for _ in range(100):
            if stage.parts.download:
                stage.live(100, step_ms=50)
                u.hear(stage, world)
    except MemoryError:
        pass  # of the keeper's loop, which the watch does not hear of now
    u.download.hashlib = hashlib_
    stage.parts.watch.caught = caught
    u.live(stage, world, 1_000)
    assert stage.parts.download is None
    u.order(stage, world)
    stage = u.restarted(stage, world)
    u.live(stage, world, 1_000)
    assert world.state == "kept"
    vfs.umount("/flash")


def test_engine_that_names_another_group_meanwhile_ends_the_trial_all_the_same():
    for new in (u.GOOD, u.DEAF):
        world = u.World(new)
        stage = fetched(world)
        world.group = "G2"
        while world.state not in ("kept", "rolled_back"):
            assert len(world.starts) < 9
            assert stage.ms < 60_000
            u.live(stage, world, 100)
            stage = u.restarted(stage, world) if stage.resets else stage
        stage.order("o-9", "set", what="config", config={"group": "G2"})
        stage = u.restarted(stage, world)
        u.live(stage, world, 1_000)
        assert world.births[-1]["group"] == "G2"
        vfs.umount("/flash")


def test_start_on_trial_that_cannot_be_counted_ends_it():
    world = u.World()
    stage = u.start(board(), world)
    u.live(stage, world, 300)
    u.order(stage, world)
    while not stage.resets:
        u.live(stage, world, 100)
    flash = stage.flash
    vfs.umount("/flash")
    world.is_full = True
    stage = u.start(flash, world)
    world.is_full = False
    u.live(stage, world, 1_000)
    assert world.starts[-1] == "a"
    assert world.births[-1]["update"] == {"bundle": world.wanted, "state": "rolled_back", "error": "a start could not be counted"}
    u.order(stage, world)
    stage = u.restarted(stage, world)
    u.live(stage, world, 1_000)
    assert world.state == "kept"
    vfs.umount("/flash")


def test_crashes_of_the_old_version_bring_no_safe_mode_upon_the_new_one():
    world = u.World()
    flash = board()
    stage = u.start(flash, world)
    for _ in range(2):
        blackbox.add(stage.files, "a bug of the old one", 5)
    u.live(stage, world, 300)
    u.order(stage, world)
    while not stage.resets:
        u.live(stage, world, 100)
    blackbox.add(stage.files, "a bug of the new one", 5)
    stage = u.restarted(stage, world)
    u.live(stage, world, 1_000)
    assert world.state == "kept"
    assert not world.births[-1].get("safe")
    vfs.umount("/flash")


def test_version_that_has_crashed_into_safe_mode_can_be_replaced():
    world = u.World()
    flash = board()
    stage = u.start(flash, world)
    for _ in range(3):
        blackbox.add(stage.files, "a bug of the old one", 5)
    vfs.umount("/flash")
    stage = u.start(flash, world)
    u.live(stage, world, 300)
    assert world.births[-1]["safe"]
    u.order(stage, world)
    stage = u.restarted(stage, world)
    u.live(stage, world, 1_000)
    assert world.state == "kept"
    assert not world.births[-1].get("safe")
    vfs.umount("/flash")


def test_link_that_is_lost_at_every_chunk_costs_time_alone():
    for every in (2, 3):
        world = u.World()
        world.lossy = every
        stage = fetched(world, 120_000)
        u.live(stage, world, 1000)
        assert world.state == "kept"
        assert len(world.fetched) - len(set(world.fetched)) >= len(set(world.fetched)) // every - 1
        vfs.umount("/flash")


def test_restart_while_it_fetches_goes_on_where_the_flash_is():
    world = u.World()
    flash = board()
    stage = u.start(flash, world)
    u.live(stage, world, 300)
    u.order(stage, world)
    while max(world.fetched + [0]) < len(u.BUNDLE) // 2:
        u.live(stage, world, 100)
    got = max(world.fetched)
    vfs.umount("/flash")
    stage = u.start(flash, world)
    u.live(stage, world, 2000)
    assert max(world.fetched) == got, "it does not go on by itself"
    del world.fetched[:]
    u.put(u.ROOT + "/b/verified", b"00000000000000cc 0.0.5")  # as if another program had lain there
    u.order(stage, world)
    u.live(stage, world, 300)
    assert "verified" not in os.listdir(u.ROOT + "/b")
    stage = u.restarted(stage, world)
    assert min(world.fetched) >= got - 2048, world.fetched
    u.live(stage, world, 1000)
    assert world.state == "kept"
    vfs.umount("/flash")


def changed(place):
    place %= len(u.BUNDLE)
    return u.BUNDLE[:place] + bytes([u.BUNDLE[place] ^ 1]) + u.BUNDLE[place + 1 :]


HEAD = u.BUNDLE.find(b"\nend\n") + 5


def test_changed_header_is_refused():
    _, error = refused(u.World(bundle=changed(HEAD // 2), wanted=u.bundle_name()))
    assert error.startswith("header: expected bundle"), error
    vfs.umount("/flash")


def test_changed_header_with_the_right_name_is_refused():
    # As if somebody had found one: the order names what the header is.
    other = changed(HEAD // 2)
    name = str(hexlify(hashlib.sha256(other[:HEAD]).digest()), "utf-8")[:16]
    _, error = refused(u.World(bundle=other, wanted=name))
    assert error.startswith("signature:"), error
    assert "new" not in os.listdir(u.ROOT)
    vfs.umount("/flash")


def test_changed_signature_is_refused():
    for place in (HEAD, HEAD + 200, HEAD + 383):
        _, error = refused(u.World(bundle=changed(place), wanted=u.bundle_name()))
        assert error.startswith("signature:"), error
        assert "b" in os.listdir(u.ROOT)
        assert os.listdir(u.ROOT + "/b") == [], "no file before the signature is right"
        vfs.umount("/flash")


def test_changed_file_is_refused():
    for place in (HEAD + 384, len(u.BUNDLE) - 1, (HEAD + 384 + len(u.BUNDLE)) // 2):
        _, error = refused(u.World(bundle=changed(place), wanted=u.bundle_name()))
        assert "expected the content of the header's hash" in error, error
        vfs.umount("/flash")


def test_wrong_length_is_refused():
    for size in (len(u.BUNDLE) - 1, len(u.BUNDLE) + 1):
        _, error = refused(u.World(wanted=u.bundle_name(), size=size))
        assert error.startswith("size: expected %d bytes" % len(u.BUNDLE)), error
        vfs.umount("/flash")


def test_bundle_that_is_cut_short_is_given_up():
    world = u.World(bundle=u.BUNDLE[:-100], wanted=u.bundle_name(), size=len(u.BUNDLE))
    stage = u.start(board(), world)
    u.live(stage, world, 300)
    u.order(stage, world)
    u.live(stage, world, 20_000)
    assert not stage.resets
    assert stage.parts.download is None
    assert world.state is None, world.births[-1]
    vfs.umount("/flash")


def test_older_version_is_refused_unless_it_is_meant():
    _, error = refused(u.World(version="0.0.9"))
    assert error == "version: expected 0.1.0 or newer, got 0.0.9", error
    vfs.umount("/flash")


def test_order_that_comes_amid_something_else_is_put_off():
    world = u.World()
    stage = u.start(board(), world)
    u.live(stage, world, 300)
    u.press(stage, world, True)
    u.order(stage, world)
    u.live(stage, world, 200)
    assert ("o-1", False, "busy: the bell sounds") in world.answers
    u.press(stage, world, False)
    u.silence(stage, world)
    u.order(stage, world)
    wanted, world.wanted = world.wanted, "00000000000000bb"
    u.live(stage, world, 200)
    u.order(stage, world)
    u.live(stage, world, 200)
    assert world.answers[-1] == ("o-3", False, "busy: update %s" % wanted), world.answers
    stage.order("o-9", "set", what="config", config={"verify_s": 20})
    u.live(stage, world, 200)
    assert world.answers[-1] == ("o-9", False, "an update is under way"), world.answers
    vfs.umount("/flash")


def test_engine_that_serves_nothing_for_an_hour_is_left_alone():
    world = u.World()
    stage = u.start(board(), world)
    u.live(stage, world, 300)
    world.lossy = 1
    u.order(stage, world)
    u.download.GIVE_UP_MS, before = 5_000, u.download.GIVE_UP_MS
    u.live(stage, world, 15_000)
    u.download.GIVE_UP_MS = before
    assert stage.parts.download is None
    assert world.state is None
    vfs.umount("/flash")


def test_board_without_keys_launcher_or_room_says_so():
    for path, words in ((u.ROOT + "/use", "flash it once more"), ("/flash/trusted/0", "no trusted key")):
        flash = board()
        vfs.mount(vfs.VfsLfs2(flash), "/flash")
        os.remove(path)
        for name in os.listdir("/flash/trusted"):
            if "trusted" in path:
                os.remove("/flash/trusted/" + name)
        vfs.umount("/flash")
        world = u.World()
        stage = u.start(flash, world)
        u.live(stage, world, 300)
        u.order(stage, world)
        u.live(stage, world, 200)
        assert words in world.answers[-1][2], world.answers
        vfs.umount("/flash")
    flash = board()
    vfs.mount(vfs.VfsLfs2(flash), "/flash")
    for name in os.listdir("/flash/trusted"):
        os.remove("/flash/trusted/" + name)
    os.rmdir("/flash/trusted")  # as the bench leaves a board without keys
    vfs.umount("/flash")
    world = u.World()
    stage = u.start(flash, world)
    u.live(stage, world, 300)
    u.order(stage, world)
    u.live(stage, world, 200)
    assert "no trusted key" in world.answers[-1][2], world.answers
    vfs.umount("/flash")
    world = u.World(size=900_000)
    stage = u.start(board(), world)
    u.live(stage, world, 300)
    u.order(stage, world)
    u.live(stage, world, 200)
    assert world.answers[-1][2].startswith("no room"), world.answers
    vfs.umount("/flash")


if sys.argv[1] == "refusal":
    print(refused(u.World(downgrade=sys.argv[2:] == ["downgrade"]))[1])
elif sys.argv[1] == "kept":
    stage = fetched(u.World(downgrade=sys.argv[2:] == ["downgrade"]))
    u.live(stage, stage.world, 1000)
    print(stage.world.state)
else:
    globals()[sys.argv[1]]()
    print("ok", sys.argv[1])
