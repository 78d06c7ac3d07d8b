"""What every table for a spreadsheet has in common: its mark, and cells that are shown and never computed."""

BOM = "\ufeff"  # without it Excel takes UTF-8 for the machine's old code page
# A text that begins so is a formula to a spreadsheet, whoever wrote it; a full-width sign too, where the keyboard is Chinese or Japanese.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def cell(value: object) -> object:
    """A value as a spreadsheet shows it: an apostrophe stands before a text that it would compute; nothing for None."""
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    return "" if value is None else value
