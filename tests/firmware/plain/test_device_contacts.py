from agent.points import DEBOUNCE_MS, NEVER, Contact, Point


def changes(contact, levels, step=10, start=0):
    """[(ms, state)] of every change while `levels(now)` is sampled."""
    found = []
    for now in range(start, start + 1_000_000 * step, step):
        level = levels(now)
        if level is None:
            return found
        if contact.sample(level, now):
            found.append((now, contact.state))
    raise AssertionError("no end")


def test_button_that_bounces_for_20_ms_is_one_press():
    bounce = (0, 1, 0, 1, 1, 0)
    contact = Contact()

    def level(now):
        if now < 2000:
            return bool(bounce[now // 4]) if now < 20 else True
        return bool(not bounce[(now - 2000) // 4]) if now < 2020 else False if now < 4000 else None

    found = changes(contact, level, step=1)
    assert [state for _, state in found] == ["active", "clear"]
    assert found[0][0] <= 20 + DEBOUNCE_MS
    assert found[1][0] <= 2020 + DEBOUNCE_MS


def test_guarded_button_counts_only_when_it_is_held():
    contact = Contact(hold_ms=1000)
    assert changes(contact, lambda now: now < 990 if now < 3000 else None) == []
    found = changes(contact, lambda now: now < 4500 if now < 7000 else None, start=3000)
    assert found == [(4000, "active"), (5500, "clear")]


def test_key_held_down_for_a_minute_is_stuck_until_it_lets_go():
    contact = Contact(stuck_ms=60_000)
    found = changes(contact, lambda now: now < 90_000 if now < 100_000 else None)
    assert found == [(30, "active"), (60_030, "stuck"), (90_030, "clear")]
    assert changes(contact, lambda now: now < 101_000 if now < 102_000 else None, start=100_000) == [
        (100_030, "active"),
        (101_030, "clear"),
    ]


def test_contact_without_a_stuck_time_may_be_active_for_days():
    contact = Contact()
    assert changes(contact, lambda now: True if now < 3 * 86_400_000 else None, step=60_000) == [(60_000, "active")]


def test_contact_stuck_before_a_restart_is_not_told_again_and_clears_when_it_lets_go():
    point = Point("silence", "key", NEVER, None, contact=Contact(stuck_ms=60_000))
    point.restore("stuck", "9c41f2aa-16-9")
    assert changes(point.contact, lambda now: now < 200_000 if now < 300_000 else None) == [(200_030, "clear")]


def test_contact_active_before_a_restart_is_stuck_in_its_time():
    point = Point("silence", "key", NEVER, None, contact=Contact(stuck_ms=60_000))
    point.restore("active", "9c41f2aa-16-9")
    assert changes(point.contact, lambda now: True if now < 70_000 else None) == [(60_000, "stuck")]
