"""What somebody means who answers an SMS: "1" has it, "AT" is safe, "GIUP" needs help, "DEN" is coming. Pure.

People answer in a hurry, with or without accents, in capitals or not, with blanks, full stops or quotes round it. Whatever else they
write is no answer: a wrong guess at "safe" is worse than a question asked again.
"""

import re
import unicodedata

from gateway.delivery.sms import alphabet
from gateway.domain.replies import Word

_MEANINGS: dict[str, Word] = {
    **dict.fromkeys(("1", "DA NHAN", "NHAN", "OK"), "acknowledge"),
    **dict.fromkeys(("AT", "AN TOAN", "TOI AN TOAN", "SAFE"), "safe"),
    **dict.fromkeys(("GIUP", "CUU", "CAN GIUP", "CAN TRO GIUP", "CUU TOI", "CUU VOI", "HELP", "SOS"), "need_help"),
    **dict.fromkeys(("DEN", "DANG DEN", "TOI DEN", "TOI DANG DEN", "COMING"), "coming"),
}
_LONGEST = 40  # a longer text is a letter, not an answer


def meaning(text: str) -> Word | None:
    """What the answer means; None if it is none that we know."""
    if len(text) > _LONGEST:
        return None
    letters = alphabet.plain(unicodedata.normalize("NFKC", text)).upper()
    return _MEANINGS.get(" ".join(re.sub(r"[^0-9A-Z]", " ", letters).split()))


def international(number: str) -> str:
    """A Vietnamese number as +84...: networks write a sender as +84..., 84... or 0.... Another is as it was."""
    digits = re.sub(r"[\s.()-]", "", number)
    found = re.fullmatch(r"(?:\+?84|0)([1-9]\d{7,9})", digits)
    return f"+84{found[1]}" if found else digits
