"""What a board does for itself once a second: the record of crashes, the clock's floor, the end of safe mode."""


def turn(parts, errands, now):
    """`parts`: agent.Parts. Everything that is written goes through the keeper."""
    job, is_news = parts.crashes.poll(now)
    if job:
        parts.keeper.chore(job)
    if is_news:
        parts.presence.announce(now)
    if parts.floor.take_due(now):
        parts.keeper.chore(parts.floor.keep)
    if parts.crashes.is_over(now) and errands.restart(now):
        parts.keeper.chore(parts.crashes.forget)
