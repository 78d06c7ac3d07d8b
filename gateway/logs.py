"""What the parts write to stdout: a line a record, for people, or as a JSON object for programs that collect logs."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Literal

Format = Literal["text", "json"]

TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
# What every record has; the rest was given by whoever wrote it, with extra=.
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonLines(logging.Formatter):
    """Time in UTC, level, logger and text; `values`: what was put into the text, in its order; `error`: the traceback, if any."""

    def format(self, record: logging.LogRecord) -> str:
        """One line without a line end: JSON escapes those of the text."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "text": record.getMessage(),
        }
        if isinstance(record.args, tuple) and record.args:
            line["values"] = [value if isinstance(value, int | float | str | None) else str(value) for value in record.args]
        line |= {key: value for key, value in vars(record).items() if key not in _OWN}
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def to_stdout(chosen: Format) -> None:
    """Write everything from INFO on. journald and `keng up` add what is missing."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonLines() if chosen == "json" else logging.Formatter(TEXT))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
