"""What a policy's source must be before anyone looks inside it, and the name it goes by."""

import hashlib


def candidate_id(source: str) -> str:
    """Return the name of a candidate: the sha256 of its source, in hex."""
    return hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()


def malformed_because(source: str, max_bytes: int) -> str | None:
    """Return why ``source`` is no text that could be a policy, or None when it may be one."""
    try:
        size = len(source.encode())
    except UnicodeEncodeError as error:
        return f"the source has a lone surrogate at position {error.start}; it must be UTF-8 text"
    if size > max_bytes:
        return f"the source has {size} bytes; {max_bytes} are allowed"
    if "\0" in source:
        return f"the source has a NUL character at position {source.index(chr(0))}"
    if not source.strip():
        return "the source is empty"
    return None


def source_line(source: str, line: int | None) -> str:
    """Return line number ``line`` of ``source``, or an empty text where there is none."""
    lines = source.split("\n")
    return lines[line - 1].strip() if line and 0 < line <= len(lines) else ""
