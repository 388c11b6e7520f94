"""Text that came from a policy: capped, without unseen characters, and its lines."""

import re

CUT = "\n[... at least {count} more characters were dropped]"
UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u115f\u1160\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0e\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\ud800-\udfff"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""Everything that a reader cannot see, or that changes how the text around it is shown: control
characters but newline and tab, directional marks and overrides, zero-width and tag characters,
variation selectors but that of emoji, separators, lone surrogates and noncharacters."""


def clean_text(text: str, max_chars: int) -> str:
    """Return ``text`` cut to ``max_chars``, each character that is unseen replaced by U+FFFD."""
    kept = UNSEEN.sub("\N{REPLACEMENT CHARACTER}", text[:max_chars])
    dropped = len(text) - max_chars
    return kept + CUT.format(count=dropped) if dropped > 0 else kept


def lines_of(source: str) -> list[str]:
    """Return the lines of a source as Python counts them: form feeds and U+2028 end none."""
    return source.replace("\r\n", "\n").replace("\r", "\n").split("\n")
