"""Makes text that came from a policy safe to store and show: capped, without control characters."""

CUT = "\n[... at least {count} more characters were dropped]"
_KEPT_CONTROLS = "\n\t"
_FORMAT_CONTROLS = {
    *range(0x200B, 0x2010),
    *range(0x2028, 0x202F),
    *range(0x2066, 0x206A),
    0xFEFF,
}
_REPLACED = {
    code: "\N{REPLACEMENT CHARACTER}"
    for code in (*range(0x20), *range(0x7F, 0xA0), *_FORMAT_CONTROLS, *range(0xD800, 0xE000))
    if chr(code) not in _KEPT_CONTROLS
}


def clean_text(text: str, max_chars: int) -> str:
    """Return ``text`` cut to ``max_chars``, without escapes, direction marks and surrogates."""
    kept = text[:max_chars].translate(_REPLACED)
    dropped = len(text) - max_chars
    return kept + CUT.format(count=dropped) if dropped > 0 else kept
