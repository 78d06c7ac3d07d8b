"""What of a kind runs in safe mode: contacts and the bell. No gauge, lamp, light or battery. Thrown away after the start."""


def chosen(kind, configured):
    """The configuration's points as safe mode has them. `kind`: a module of kinds/; `configured`: {name: parameters or None}.

    A button on a supervised loop stays: without it the home had no button.
    """
    points = {}
    for name, _, _, driver in kind.POINTS:
        if driver != "contact":
            points[name] = None
        elif name in configured:
            points[name] = configured[name]
    for name, _, _, driver in kind.OPTIONAL:
        if driver == "contact" and name in configured:
            points[name] = configured[name]
    return points
