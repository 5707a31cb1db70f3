"""Which texts are UIDs."""

import re

UID_LENGTH = 64
"""Characters of a UID, PS3.5 section 9."""


def is_uid(text: str) -> bool:
    """Whether a text has the characters of a UID and no others.

    Parts that begin with a zero are let pass: some makers write them.
    """
    return re.fullmatch(rf"[0-9.]{{1,{UID_LENGTH}}}", text) is not None
