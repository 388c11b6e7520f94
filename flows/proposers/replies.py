"""Finds the policy in the text of a model's reply.

Fences are read by ``markdown-it-py``, its blocks alone: inline marks cost more than linear time
and mean nothing here. Every step takes time in proportion to the reply, which has a bound.
"""

import ast
import builtins
import html
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice

from markdown_it import MarkdownIt

from sandbox.source import parse
from simulator.contract import Contract

MAX_REPLY_CHARS = 200_000
"""The rest of a longer reply is neither read nor stored."""
MAX_SOURCE_CHARS = 100_000
MOST_OBJECTS = 30
MOST_TAGS = 50
MOST_SPANS = 4
MOST_RUNS = 200
"""Places of each kind that are tried as the beginning or the end of code."""

MOST_PARSED_CHARS = 1_000_000
MOST_PARSED = 2_000
MOST_HELPERS = 50

PYTHON = frozenset({"python", "python3", "py", "py3", "tool_code"})
PATCH = frozenset({"diff", "patch"})
MARKDOWN = frozenset({"markdown", "md"})
THOUGHTS = ("think", "thinking", "thought", "reasoning", "analysis", "scratchpad")
TAGS = ("policy", "code", "python", "source", "solution", "answer", "pre")

_ANSWER = "answer with one fenced Python block that registers an init and a step function"
_CODE_POINTS = dict.fromkeys(map(ord, "\ufeff\u200b\u2060")) | {0xA0: " "}
"""Invisible characters that no Python source may hold outside of its strings."""
_SPECIAL = re.compile(r"<\|[\w ]{1,20}\|>")
_FINAL = "<|channel|>final<|message|>"
_OBJECT = re.compile(r'\{\s*+"')
_TAG = re.compile(rf"<({'|'.join(TAGS)})(?:\s[^<>]{{0,100}})?>")
_LANGUAGE = re.compile(r"[{.\s]{0,10}([\w+#-]{0,40})")
_OPENS = re.compile(r"[ \t>]{0,40}(?:```|~~~)[ \t]{0,10}(?:python3?|py)\b", re.IGNORECASE)
_FENCE = re.compile(r"[ \t]{0,40}(?:```|~~~)")
_BEGINS = re.compile(
    r"""@|(?:def|class|import|from|async[ ]def)[ ]|\#
    |\w{1,60}[ ]?(?::[ ]?[\w.\[\], ]{1,60})?=(?!=)|\"{3}|'{3}""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Extracted:
    """The source of a policy, or the reason why the reply holds none."""

    source: str | None
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block; ``closed`` unless the text, or another block, began before its end."""

    language: str
    text: str
    closed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Text that may be Python; ``python`` says that the reply calls it so."""

    text: str
    python: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A source that registers a step function; ``sound`` when it is Python as it stands."""

    source: str
    sound: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Registers:
    """What a source registers: the decorators of its domain's contract, as regular expressions."""

    step: str = r"register_\w+(?<!_init)"
    init: str = r"register_\w+_init"
    needs_init: bool = True

    @classmethod
    def of(cls, contract: Contract) -> "Registers":
        """Return what the sources of a domain register."""
        step, init = re.escape(contract.step), re.escape(contract.init)
        return cls(step=step, init=init, needs_init=contract.needs_init)


USUAL = Registers()
"""Where nobody knows the domain."""


class Reader:
    """Says what is Python and what registers, until it has read more than is meant well."""

    def __init__(self, most_chars: int, registers: Registers = USUAL) -> None:
        step, init = registers.step, registers.init
        self._steps = re.compile(rf"\b{step}\s*\(")
        self._inits = re.compile(rf"\b{init}\s*\(")
        self._needs_init = registers.needs_init
        self.names = rf"(?:{init}|{step})"
        """Matches the name of a decorator."""
        self.error_line: int | None = None
        """The line at which the text that was last read stops being Python, None if unknown."""
        self._most_chars = most_chars
        self._chars = MOST_PARSED_CHARS
        self._times = MOST_PARSED

    def steps(self, text: str) -> bool:
        """Whether a text seems to register a step function."""
        return self._steps.search(text) is not None

    def inits(self, text: str) -> bool:
        """Whether a text seems to register an init function."""
        return self._inits.search(text) is not None

    def whole(self, text: str) -> bool:
        """Whether a text seems to register all that is needed."""
        return self.steps(text) and (self.inits(text) or not self._needs_init)

    def tree(self, text: str) -> ast.Module | None:
        """Return the tree of a source; None if it is not Python, too long or too costly."""
        self.error_line = None
        if len(text) > self._most_chars or self._times <= 0 or self._chars < len(text):
            return None
        self._times -= 1
        self._chars -= len(text)
        try:
            return parse(text)
        except SyntaxError as error:
            self.error_line = error.lineno
        except (ValueError, RecursionError, MemoryError, SystemError):
            pass
        return None


def extract_source(reply: str, registers: Registers = USUAL) -> Extracted:
    """Return the policy in a reply, however it is wrapped; prose is never a part of it.

    In order: the field ``policy`` of JSON, the whole reply when it is Python, its fenced blocks,
    what stands between tags, code without a fence, the largest block.
    """
    reader = Reader(MAX_SOURCE_CHARS, registers)
    text = without_thoughts(plain(reply[:MAX_REPLY_CHARS]))
    field = policy_in_json(text, reader)
    text = text if field is None else plain(field)
    if not text.strip():
        return Extracted(source=None, problem="the reply is empty: answer with one policy")
    blocks = blocks_of(text)
    source = text if field is not None and not blocks else _source_in(text, blocks, reader)
    if source is None or not source.strip():
        return Extracted(source=None, problem=_why_not(text, blocks))
    if len(source) > MAX_SOURCE_CHARS:
        return Extracted(
            source=None,
            problem=f"the policy has {len(source)} characters: the limit is {MAX_SOURCE_CHARS}",
        )
    return Extracted(source=source.strip("\n") + "\n")


def complete_policy(reply: str, registers: Registers = USUAL, *, bare: bool = False) -> str | None:
    """Return a policy that was certainly written to its end: in a closed fence, or in whole JSON.

    With ``bare``, a text that is nothing but Python counts too.
    """
    reader = Reader(MAX_SOURCE_CHARS, registers)
    text = without_thoughts(plain(reply[:MAX_REPLY_CHARS]))
    field = policy_in_json(text, reader)
    pieces = [*pieces_of([block for block in blocks_of(field or text) if block.closed])]
    if field is not None or bare:
        pieces.append(Piece(text=field or text))
    registering = [each for each in pieces if reader.steps(each.text) or reader.inits(each.text)]
    found = policy_in(registering, reader)
    whole = found is not None and found.sound and reader.whole(found.source)
    return found.source.strip("\n") + "\n" if found is not None and whole else None


def only_thoughts(reply: str) -> bool:
    """Return whether a reply that was cut off had not come to its answer yet."""
    text = without_thoughts(plain(reply[:MAX_REPLY_CHARS])).strip()
    return not text or any(
        text.startswith(f"<{name}>") and f"</{name}>" not in text for name in THOUGHTS
    )


def _source_in(text: str, blocks: Sequence[Block], reader: Reader) -> str | None:
    if reader.steps(text):
        found = _policy_in(text, blocks, reader)
        if found is not None:
            return found.source
    usable = [block for block in blocks if block.language not in PATCH and not _is_cut(block)]
    python = [block.text for block in usable if block.language in PYTHON]
    return max(python or (block.text for block in usable), key=len, default=None)


def _policy_in(text: str, blocks: Sequence[Block], reader: Reader) -> Found | None:
    tree = reader.tree(text)
    if tree is not None and not any(map(_may_be_prose, tree.body)):
        return Found(source=text, sound=True)
    fenced = policy_in(pieces_of(blocks), reader)
    if fenced is not None:
        return fenced if fenced.sound else _repaired(text, blocks, reader) or fenced
    return policy_in(_tagged(text, reader), reader) or policy_in(
        [*_bare_patch(text), *_runs(text, reader)], reader
    )


def _why_not(text: str, blocks: Sequence[Block]) -> str:
    if any(block.language in PATCH for block in blocks) or "\n@@ " in text:
        return (
            "the reply holds changes to a policy (a diff), not a whole one: answer with the "
            "complete module in one fenced Python block"
        )
    if text.lstrip().startswith("{") and '"policy"' in text:
        return f"the reply holds no code: it begins as JSON and cannot be read as such; {_ANSWER}"
    return f"the reply holds no code: {_ANSWER}"


# Fences.


@cache
def _markdown() -> MarkdownIt:
    """Return a parser of fences at any depth; it does not treat indented text as code."""
    parser = MarkdownIt("zero", {"maxNesting": 10}).enable(["fence", "blockquote", "list"])
    parser.core.ruler.enableOnly(["normalize", "block"])
    return parser


def blocks_of(text: str, *, inner: bool = False) -> list[Block]:
    """Return the fenced blocks that are not blank; one never closed reaches to the end.

    A block of Markdown stands for the blocks in it, but for those that are ``inner`` themselves.
    """
    if "```" not in text and "~~~" not in text:
        return []
    lines = text.split("\n")
    blocks: list[Block] = []
    for token in _markdown().parse(text):
        if token.type != "fence" or token.map is None:
            continue
        language = _LANGUAGE.match(token.info)
        name = language.group(1).lower() if language is not None else ""
        begin, end = token.map[0] + 1, min(token.map[1], len(lines))
        last = lines[end - 1].lstrip(" \t>")
        closed = end > begin and last.startswith(token.markup)
        closed = closed and not last.strip(token.markup[0] + " \t")
        content = token.content.removesuffix("\n")
        if not token.level:  # as it is written: an indented fence takes nothing from its lines
            content = "\n".join(lines[begin : end - closed])
        if name in MARKDOWN and not inner:
            blocks += blocks_of(content, inner=True)
        else:
            blocks += _split(name, content, closed)
    return [block for block in blocks if block.text.strip()]


def _split(language: str, content: str, closed: bool) -> Iterator[Block]:
    """Yield a block, cut where another of Python begins inside of it: the first was not closed."""
    part: list[str] = []
    for line in content.split("\n"):
        if language and _OPENS.match(line) is not None:
            yield Block(language=language, text=_level("\n".join(part)), closed=False)
            part = []
        else:
            part.append(line)
    text = "\n".join(part)
    if not closed:  # closed at the end of its last line
        text = text.rstrip().removesuffix("```").removesuffix("~~~")
    yield Block(language=language, text=_level(text), closed=closed)


def pieces_of(blocks: Sequence[Block]) -> list[Piece]:
    """Return the blocks as pieces of code, of a diff what it leads to."""
    pieces = []
    for block in blocks:
        patched = _patched(block)
        if patched is not None:
            pieces.append(Piece(text=patched))
        elif block.language not in PATCH:
            pieces.append(Piece(text=block.text, python=block.language in PYTHON))
    return pieces


def _level(text: str) -> str:
    """Return a text with its first line at the left edge, and the others as far to the left."""
    first = next((line for line in text.split("\n") if line.strip()), "")
    margin = first[: len(first) - len(first.lstrip(" \t"))]
    return "\n".join(line.removeprefix(margin) for line in text.split("\n")) if margin else text


def _is_cut(block: Block) -> bool:
    """Whether a block holds nothing but the beginning of another."""
    return all(line.lstrip().startswith(("```", "~~~")) for line in block.text.strip().split("\n"))


def _patched(block: Block) -> str | None:
    """Return the result of a diff; None if it is not a diff or omits lines."""
    lines = [line for line in block.text.split("\n") if line.strip()]
    looks = any(line.startswith("+") for line in lines) and all(
        line.startswith(("+", "-", " ", "@@", "\\")) for line in lines
    )
    hunks = sum(line.startswith("@@") for line in lines)
    if hunks > 1 or (block.language not in PATCH and not looks):
        return None
    kept = [
        line
        for line in block.text.split("\n")
        if line[:1] in ("+", " ", "") and not line.startswith("+++")
    ]
    return "\n".join(line[1:] for line in kept)


def _bare_patch(text: str) -> list[Piece]:
    """Return what a diff without a fence leads to."""
    begin = text.find("\n@@ ") + 1 if "\n@@ " in text else text.find("@@ ")
    return [] if begin < 0 else pieces_of([Block(language="diff", text=text[begin:])])


def _repaired(text: str, blocks: Sequence[Block], reader: Reader) -> Found | None:
    """Return the policy of a block that was never closed, or that holds fences in its strings."""
    pieces: list[Piece] = []
    for block in blocks:
        if not block.closed and reader.steps(block.text):
            pieces += islice(_runs(block.text, reader), 1)
    lines = text.split("\n")
    fences = [number for number, line in enumerate(lines) if _FENCE.match(line) is not None]
    for end in reversed(fences[1:][-MOST_SPANS:]):
        span = "\n".join(lines[fences[0] + 1 : end])
        if reader.tree(span) is not None:
            pieces.append(Piece(text=span))
    found = policy_in(pieces, reader)
    return found if found is not None and found.sound else None


# Code without a fence.


def _runs(text: str, reader: Reader) -> Iterator[Piece]:
    """Yield the runs of Python in a text, each from where code begins to where Python ends."""
    lines = _level_code(text, reader).split("\n")
    named = re.compile(reader.names)
    begin = tries = 0
    while begin < len(lines) and tries < MOST_RUNS:
        if _BEGINS.match(lines[begin]) is None and not named.match(lines[begin]):
            begin += 1
            continue
        tries += 1
        end, run = _run(lines, begin, reader)
        if run:
            yield Piece(text=run)
        begin = max(end, begin + 1)


def _run(lines: Sequence[str], begin: int, reader: Reader) -> tuple[int, str]:
    """Return the longest Python from a line on, without formulas after it, and where it ends.

    Where there is none, what can be Python ends with the decorators from there on up to the first
    mistake: from each of these the same mistake would be met.
    """
    end, first = len(lines), begin
    for turn in range(4):
        text = "\n".join(lines[begin:end])
        tree = reader.tree(text)
        if tree is not None:
            return end, _trimmed(text, tree, reader)
        wrong = reader.error_line
        if wrong is None:
            break
        end = begin + min(wrong, end - begin) - 1
        if turn == 0:
            first = end
        while end > begin and (not lines[end].strip() or lines[end][:1] in " \t)]}"):
            end -= 1  # the wrong statement may have started on an earlier line
        if end <= begin:
            break
    after = begin
    while after < first and lines[after].startswith("@"):
        after += 1
    return after, ""


def _trimmed(text: str, tree: ast.Module, reader: Reader) -> str:
    """Return a module up to its last definition or registration: what follows may be prose."""
    lines, named = text.split("\n"), re.compile(reader.names)
    for node in reversed(tree.body):
        end = node.end_lineno or node.lineno
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef) or any(
            named.search(line) for line in lines[node.lineno - 1 : end]
        ):
            return "\n".join(lines[:end])
    return ""


def _may_be_prose(node: ast.stmt) -> bool:
    """Return whether a statement at the top of a module may be words that happen to parse."""
    if isinstance(node, ast.AnnAssign):
        return node.value is None
    return isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant | ast.Call)


def _level_code(text: str, reader: Reader) -> str:
    """Return the text with its code at the left edge, where it is indented as a whole."""
    places = re.finditer(rf"^([ \t]*+)@?{reader.names}", text, re.MULTILINE)
    margin = min((found.group(1) for found in places), key=len, default="")
    return "\n".join(line.removeprefix(margin) for line in text.split("\n")) if margin else text


# Thoughts, JSON and tags.


def plain(reply: str) -> str:
    """Return a reply with plain line ends, without marks of a model's protocol, as UTF-8 can."""
    text = reply.encode("utf-8", "replace").decode("utf-8")
    text = text.replace("\r\n", "\n").replace("\r", "\n").translate(_CODE_POINTS)
    return _SPECIAL.sub("", text.rpartition(_FINAL)[2])


def without_thoughts(text: str) -> str:
    """Return a reply without a reasoning model's inline thoughts, which may hold drafts.

    Thoughts may have an end only, where a server's template wrote their beginning.
    """
    for name in THOUGHTS:
        opening, closing = f"<{name}>", f"</{name}>"
        kept, place = list[str](), 0
        while (end := text.find(closing, place)) >= 0:
            begin = text.find(opening, place, end)
            if begin >= 0:
                kept.append(text[place:begin])
            else:
                kept.clear()
            place = end + len(closing)
        text = "".join([*kept, text[place:]])
    return text


def policy_in_json(text: str, reader: Reader) -> str | None:
    """Return the field ``policy`` of JSON: of all the text, of a block, or of some in prose."""
    if "policy" not in text:
        return None
    for candidate in (text, *(block.text for block in blocks_of(text))):
        if candidate.lstrip().startswith("{"):
            found = _decoded(candidate.strip(), reader)
            if isinstance(found, dict) and isinstance(found.get("policy"), str):
                return str(found["policy"])
    decoder = json.JSONDecoder(strict=False)
    for place in islice(_OBJECT.finditer(text), MOST_OBJECTS if '"policy"' in text else 0):
        try:
            found, _ = decoder.raw_decode(text, place.start())
        except (ValueError, RecursionError):
            continue
        policy = found.get("policy") if isinstance(found, dict) else None
        if isinstance(policy, str) and reader.steps(policy):
            return policy
    return None


def _decoded(text: str, reader: Reader) -> object:
    """Return what JSON says, that with raw line ends in its strings, or Python's way to say it."""
    try:
        return json.loads(text, strict=False)
    except (ValueError, RecursionError):
        pass
    tree = reader.tree(text) if '"""' in text or "'''" in text else None
    if tree is None or len(tree.body) != 1 or not isinstance(tree.body[0], ast.Expr):
        return None
    try:
        return ast.literal_eval(tree.body[0].value)
    except (ValueError, TypeError, RecursionError, MemoryError):
        return None


def _tagged(text: str, reader: Reader) -> list[Piece]:
    """Return what stands between tags such as ``<code>``, as pieces of code."""
    pieces = []
    end = 0
    for opening in islice(_TAG.finditer(text), MOST_TAGS):
        begin = opening.end()
        close = text.find(f"</{opening.group(1)}>", begin)
        if begin <= end or close < 0 or _TAG.match(text[begin : begin + 200].lstrip()):
            continue
        end = close
        inner = text[begin:close].removeprefix("<![CDATA[").removesuffix("]]>").strip("\n")
        if reader.steps(inner) and reader.tree(inner) is None:
            inner = html.unescape(inner)
        pieces.append(Piece(text=_level(inner)))
    return pieces


# Pieces of code, and which of them make the policy.


def policy_in(pieces: Sequence[Piece], reader: Reader) -> Found | None:
    """Return the policy that the pieces make, None where no piece registers a step function.

    Pieces that are called Python count before the others, those with both registrations before
    a pair that has them together, valid Python first, later pieces before earlier
    ones: a model that corrects itself ends with what it means. Pieces without a registration are
    put before it where they define a name that it lacks.
    """
    for some in ([piece for piece in pieces if piece.python], list(pieces)):
        steps = [number for number, piece in enumerate(some) if reader.steps(piece.text)]
        whole = [number for number in steps if reader.whole(some[number].text)]
        if steps:
            step = _last_sound(some, whole or steps, reader)
            chosen = {step} if whole else {step, *_init_for(some, step, reader)}
            return _joined(some, chosen, reader)
    return None


def _last_sound(pieces: Sequence[Piece], numbers: Sequence[int], reader: Reader) -> int:
    sound = (n for n in reversed(numbers) if reader.tree(pieces[n].text) is not None)
    return next(sound, numbers[-1])


def _init_for(pieces: Sequence[Piece], step: int, reader: Reader) -> set[int]:
    """Return the last init function before a step function, else the first after it."""
    inits = [number for number, piece in enumerate(pieces) if reader.inits(piece.text)]
    before = [number for number in inits if number < step]
    return set(before[-1:] or inits[:1])


def _joined(pieces: Sequence[Piece], chosen: set[int], reader: Reader) -> Found:
    """Return the chosen pieces, with those that define what they lack, in their order."""
    plain = [
        number
        for number, piece in enumerate(pieces)
        if number not in chosen and not reader.steps(piece.text) | reader.inits(piece.text)
    ]
    trees = {n: reader.tree(pieces[n].text) for n in [*chosen, *plain[-MOST_HELPERS:]]}
    defined = {n: _defined(tree) for n, tree in trees.items() if tree is not None and n in plain}
    waiting = sorted(chosen)
    taken, known = set(chosen), _bound(trees[n] for n in chosen)
    while waiting:
        tree = trees[waiting.pop()]
        for name in sorted(_loaded(tree) - known):
            helper = next((n for n in reversed(defined) if name in defined[n]), None)
            if helper is not None and helper not in taken:
                taken.add(helper)
                waiting.append(helper)
                known |= _bound([trees[helper]])
    source = "\n\n".join(pieces[n].text for n in sorted(taken))
    return Found(source=source, sound=reader.tree(source) is not None)


def _defined(tree: ast.Module) -> set[str]:
    """Return the names that a module gives a value at its top."""
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(each.asname or each.name).partition(".")[0] for each in node.names}
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            names |= _stored(node)
    return names


def _bound(trees: Iterable[ast.Module | None]) -> set[str]:
    """Return every name that is bound anywhere in these trees, and the builtins."""
    names = set(dir(builtins))
    for tree in trees:
        for node in ast.walk(tree) if tree is not None else ():
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                names.add(node.name)
            elif isinstance(node, ast.alias):
                names.add((node.asname or node.name).partition(".")[0])
            elif isinstance(node, ast.arg):
                names.add(node.arg)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                names.add(node.id)
    return names


def _stored(node: ast.stmt) -> set[str]:
    names = (each for each in ast.walk(node) if isinstance(each, ast.Name))
    return {each.id for each in names if isinstance(each.ctx, ast.Store)}


def _loaded(tree: ast.Module | None) -> set[str]:
    nodes = ast.walk(tree) if tree is not None else ()
    return {each.id for each in nodes if isinstance(each, ast.Name)}
