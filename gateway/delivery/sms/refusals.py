"""What a modem's error numbers mean, in plain words, and who can do something about them. Pure.

+CMS ERROR: 3GPP TS 27.005, 3.2.5, with 1..127 of 3GPP TS 24.011, table 8.4 (what the network answered). +CME ERROR: 3GPP TS 27.007, 9.2.
"""

from typing import Literal

from gateway.delivery.sms.at import Refusal

Blame = Literal["number", "card", "network", "modem"]

_CMS: dict[int, tuple[Blame, str]] = {
    1: ("number", "nobody has this number"),
    8: ("card", "the operator bars this SIM card from sending"),
    10: ("card", "the SIM card may not send: barred, or out of credit"),
    21: ("card", "the network refused the message: often no credit"),
    22: ("network", "the receiver's memory is full"),
    27: ("number", "the receiver cannot be reached"),
    28: ("card", "the network does not know this SIM card"),
    29: ("network", "the network cannot send messages here"),
    30: ("card", "the network does not know this SIM card"),
    38: ("network", "the network is out of order"),
    41: ("network", "a passing failure of the network"),
    42: ("network", "the network is overloaded"),
    47: ("network", "the network is overloaded"),
    50: ("card", "the SIM card has no right to send messages"),
    69: ("network", "the network cannot send messages here"),
    300: ("modem", "the modem failed"),
    301: ("modem", "another program uses the modem's messages"),
    302: ("modem", "the modem does not allow it now"),
    303: ("modem", "the modem cannot do it"),
    304: ("number", "the modem does not take this message"),
    310: ("card", "there is no SIM card"),
    311: ("card", "the SIM card wants its PIN"),
    312: ("card", "the modem is locked to another SIM card"),
    313: ("card", "the SIM card failed"),
    314: ("modem", "the SIM card is busy"),
    315: ("card", "the SIM card is a wrong one"),
    316: ("card", "the SIM card is locked: it wants its PUK"),
    320: ("modem", "the modem's memory failed"),
    322: ("modem", "the modem's memory is full"),
    330: ("card", "the number of the message centre is not set"),
    331: ("network", "there is no network"),
    332: ("network", "the network did not answer in time"),
    500: ("modem", "an error that the modem does not explain"),
}
_CME: dict[int, tuple[Blame, str]] = {
    3: ("modem", "the modem does not allow it now"),
    4: ("modem", "the modem cannot do it"),
    10: ("card", "there is no SIM card"),
    11: ("card", "the SIM card wants its PIN"),
    12: ("card", "the SIM card is locked: it wants its PUK"),
    13: ("card", "the SIM card failed"),
    14: ("modem", "the SIM card is busy"),
    15: ("card", "the SIM card is a wrong one"),
    16: ("card", "the PIN is wrong"),
    30: ("network", "there is no network"),
    31: ("network", "the network did not answer in time"),
    32: ("network", "only emergency calls are allowed"),
}


def blame(refusal: Refusal) -> Blame:
    """Whose fault it is: of this one number, of the SIM card (money, PIN), of the network, or of the modem."""
    return _known(refusal)[0]


def words(refusal: Refusal) -> str:
    """What it means, with the modem's own words behind."""
    return f"{_known(refusal)[1]} ({refusal.words})"


def _known(refusal: Refusal) -> tuple[Blame, str]:
    table = {"cms": _CMS, "cme": _CME}.get(refusal.kind, {})
    return table.get(refusal.code or 0, ("modem", "the modem refused it"))
