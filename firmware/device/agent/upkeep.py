"""What a board does for itself once a second: the record of crashes, the clock's floor, the end of safe mode, its twin."""

TWIN = "link: taken away again and again, perhaps by another board of this id"


def turn(parts, errands, session, now):
    """`parts`: agent.Parts. `session`: None where there is no network. Everything that is written goes through the keeper."""
    if session:
        parts.faults.set("twin", TWIN if session.has_twin(now) else None)
    job, is_news = parts.crashes.poll(now)
    if job:
        parts.keeper.chore(job)
    if is_news:
        parts.presence.announce(now)
    if parts.floor.take_due(now):
        parts.keeper.chore(parts.floor.keep)
    if parts.crashes.is_over(now) and errands.restart(now):
        parts.keeper.chore(parts.crashes.forget)
