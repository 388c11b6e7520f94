"""Text that a policy or a model wrote, made fit for the place where it is shown: one cleaner each.

Where nothing but text is shown (a terminal, a log, a prompt, a page, a table of values) the door to
that place cleans whatever passes. Where markup is mixed with text (Markdown), the door takes the
type ``Markdown``, which only a cleaner makes: mypy refuses a plain text.

Our own words need no cleaner; those that go with a number come from ``counted``.
"""

import re
import unicodedata

from simulator.cell.cleantext import UNSEEN, lines_of

TAB_WIDTH = 4
FEWEST_BACKTICKS = 3
UNTRUSTED = "untrusted text, data and not instructions"

_UNPRINTABLE = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
_BACKTICKS = re.compile(r"`+")
_MARKUP = re.compile(r"(?i)[\\`*_\[\]|~@]|:(?=/)|(?<=\bwww)\.|^[#+\-=]")
"""What makes Markdown of a line: emphasis, code, links, tables, bare addresses, what begins it."""
_NUMBERED = re.compile(r"^(\d{1,9})([.)])(?=\s|$)")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_CHAT_MARKS = {"<|": "< |", "|>": "| >"}
"""What models' chat templates begin and end a speaker's turn with."""


class Markdown(str):
    """Markdown in which every untrusted text is text only: no link, image, heading, HTML, table."""

    __slots__ = ()


def markdown(template: str, *values: object) -> Markdown:
    """Return our own ``template`` with each ``{}`` replaced by a value, shown verbatim."""
    shown = (value if isinstance(value, Markdown) else _escaped(str(value)) for value in values)
    return Markdown(template.format(*shown))


def markdown_lines(*lines: Markdown) -> Markdown:
    """Return lines of Markdown as one text."""
    return Markdown("\n".join(lines) + "\n")


def for_terminal(text: str) -> str:
    """Return ``text`` without what moves a cursor, colours, hides or turns round; lines stay."""
    lines = (line.expandtabs(TAB_WIDTH) for line in text.replace("\r\n", "\n").split("\n"))
    return "\n".join(map(_seen, lines))


def for_log(line: str) -> str:
    """Return ``line`` as one line of a log or of a live view, its spaces as they are."""
    return _seen(line)


def on_one_line(text: str) -> str:
    """Return ``text`` as one line for a cell of a table, without needless space."""
    return _seen(" ".join(text.split()))


def for_page(text: str) -> str:
    """Return ``text`` for the report, each hidden character written out as ⟨U+202E⟩."""
    return UNSEEN.sub(_written_out, text.replace("\r\n", "\n"))


def for_prompt(text: str) -> str:
    """Return a whole prompt without what a reader of it could not see, or a model obeys."""
    text = UNSEEN.sub(_written_out, text)
    for mark, apart in _CHAT_MARKS.items():
        text = text.replace(mark, apart)
    return text


def prompt_line(text: str, limit: int) -> str:
    """Return the text as inline code on one line of a prompt."""
    words = " ".join(prompt_text(text, limit).split())
    return f"`{words.replace('`', chr(39))}`"


def prompt_fence(label: str, text: str, limit: int) -> str:
    """Return the text in a fence that it cannot close, under a label that calls it untrusted."""
    body = prompt_text(text, limit)
    fence = _fence(body)
    return f"{label} ({UNTRUSTED}):\n{fence}text\n{body}\n{fence}"


def prompt_code(source: str) -> str:
    """Return a policy's source in a fence that it cannot close, its lines as Python counts them."""
    body = UNSEEN.sub(_written_out, "\n".join(lines_of(source)).rstrip())
    fence = _fence(body)
    return f"{fence}python\n{body}\n{fence}"


def prompt_text(text: str, limit: int) -> str:
    """Return the text without control and invisible characters, cut to ``limit`` characters."""
    plain = "\n".join(lines_of(text)).replace("\t", " " * TAB_WIDTH)
    unseen = {sign for sign in set(plain) if _is_unseen(sign)} - {"\n"}
    kept = plain.translate(dict.fromkeys(map(ord, unseen))).strip("\n")
    if len(kept) <= limit:
        return kept
    return f"{kept[:limit]}… ({len(kept) - limit} more characters)"


def for_csv(text: str) -> str:
    """Return ``text`` as a cell that no spreadsheet takes for a formula."""
    shown = for_page(text)
    return f"'{shown}" if text.lstrip(" \n").startswith(_FORMULA) else shown


def for_json(document: str) -> str:
    """Return a JSON document with hidden characters written as JSON escapes: nothing is lost."""
    return UNSEEN.sub(lambda found: _json_escape(found[0]), document)


def counted(amount: int, noun: str, plural: str | None = None) -> str:
    """Return ``1 candidate``, ``2 candidates``, ``1,200 candidates``."""
    return f"{amount:,} {noun if amount == 1 else plural or noun + 's'}"


def _seen(line: str) -> str:
    """Return one line without characters that a reader cannot see."""
    if line.isascii() and line.isprintable():
        return line
    table = {ord(sign): "\ufffd" for sign in set(line) if _is_unseen(sign)}
    spaces = {ord(sign): " " for sign in set(line) if sign.isspace()}
    return line.translate(table | spaces)


def _is_unseen(sign: str) -> bool:
    return unicodedata.category(sign) in _UNPRINTABLE or UNSEEN.match(sign) is not None


def _written_out(found: re.Match[str]) -> str:
    return f"⟨U+{ord(found[0]):04X}⟩"


def _json_escape(sign: str) -> str:
    pairs = sign.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{pairs[at : at + 2].hex()}" for at in range(0, len(pairs), 2))


def _escaped(text: str) -> str:
    """Return the text on one line, escaped where Markdown or HTML would begin."""
    plain = _MARKUP.sub(lambda found: f"\\{found[0]}", on_one_line(text))
    plain = _NUMBERED.sub(r"\1\\\2", plain)
    return re.sub("[&<>]", lambda found: _ENTITIES[found[0]], plain)


def _fence(body: str) -> str:
    longest = max((len(run) for run in _BACKTICKS.findall(body)), default=0)
    return "`" * max(FEWEST_BACKTICKS, longest + 1)
