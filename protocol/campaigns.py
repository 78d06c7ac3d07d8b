"""What is said of campaigns of updates over the air between the engine and who orders them: parts of protocol/boards.py's messages."""

from typing import Annotated, Literal

from pydantic import Field

from protocol.fields import BundleId, Compact, Count, Id, UnixMs

UpdateDo = Literal["update_start", "update_halt", "update_resume", "update_end", "updates"]
Bundle = Annotated[str, Field(pattern=r"^[0-9A-Za-z._-]{1,32}$")]  # its digest, the beginning of that, or its version


class CampaignReport(Compact):
    """A campaign, without its boards: `counts` says how many are in which state (gateway/domain/campaigns.py).

    open: boards are asked. halted: none is, until somebody resumes it; `why`. done: all have it. ended: by somebody, or by time. `wave`
    of `waves`, from 1.
    """

    number: Count
    bundle: BundleId
    version: str
    board: str
    downgrade: bool = False
    state: Literal["open", "halted", "done", "ended"]
    wave: Count
    waves: Count
    counts: dict[str, Count]
    by: str
    began_ms: UnixMs
    ended_ms: UnixMs | None = None
    ended_by: str = ""
    why: str = ""


class BoardUpdate(Compact):
    """A board in a campaign. `words`: why it stands where it stands; `percent`: of the file, while it fetches."""

    device: Id
    state: str
    wave: Count = 0
    tries: Count = 0
    from_version: str = ""
    from_app: str = ""
    ordered_ms: UnixMs | None = None
    at_ms: UnixMs
    words: str = ""
    percent: Annotated[int, Field(ge=0, le=100)] | None = None
