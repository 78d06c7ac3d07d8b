"""What an order to change the configuration comes to. Loaded for it, and thrown away."""

from agent import canonical, config
from protocol.wire import shown

FIXED = ("site", "device", "server_name")  # a board of another name is another board, and no order ends TLS


def merge(path, fields):
    """(fields of the candidate, None), or (None, why not): the file at `path` with `fields` in the place of its own.

    Every field is checked; whether the whole fits the board, fit.own_problems() knows.
    """
    try:
        merged = config.load(path)
    except (OSError, config.ConfigError) as exc:
        return None, "%s: %s" % (path, exc)
    fixed = [(key, merged.get(key)) for key in FIXED]
    merged.update(fields)
    try:
        config.build(merged)
        _check(fixed, merged, fields)
    except config.ConfigError as exc:
        return None, str(exc)
    return merged, None


def _check(fixed, merged, fields):
    """Raises ConfigError. `fixed`: (key, value) of what no order changes."""
    for key, value in fixed:
        if merged.get(key) != value:
            raise config.ConfigError("%s: expected %s, got %s" % (key, shown(value), shown(merged.get(key))))
    for key in config.unknown(fields):
        raise config.ConfigError("%s: not a key of the configuration" % (key,))
    length = canonical.length(merged)
    if length > config.LONGEST:
        raise config.ConfigError("expected at most %d bytes in all, got %d" % (config.LONGEST, length))
