"""`say`: prints, also where the console knows fewer letters than the text has."""

import sys

PLAIN = str.maketrans({"✓": "+", "✗": "X", "·": ".", "±": "~", "−": "-", "│": "|", "‖": "||"})


def say(text: str) -> None:
    """Prints `text`; what a console without UTF-8 cannot show is replaced by what it can."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = text.translate(PLAIN).encode(encoding, "replace").decode(encoding)
    print(text)
