"""Checks the prose: short sentences and the trade's words. `make lint` runs it.

It reads the Markdown pages, the strings and comments of the Python code, and the texts of the web pages.
"""

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

MAX_WORDS = 25
PAGES = ("*.md", "docs/**/*.md", "training/*.md", "training/docs/*.md", "models/*/*.md")
CODE = ("app/**/*.py", "training/src/**/*.py", "docs/*.py")
WEB = ("app/web/*.html", "app/web/js/**/*.js")
USUAL_WORDS = {
    r"nursery": "fork server",
    r"believed": "trusted",
    r"belongs? into": "belongs in",
    r"more or less": "about; or say which of the two",
    r"meanwhile": "until then; during this time",
    r"stands? (?:in|there|beside|on disk)": "is in; records",
    r"(?:given|handed|hands?) back": "requeued; returned",
    r"broken off": "interrupted",
    r"broken (?:line|connection)": "lost connection",
    r"became of": "the result of",
    r"in hand": "running",
    r"sign of life": "heartbeat",
    r"makes? no sense": "is inconsistent; is not valid",
    r"taken up again": "resumed",
    r"takes? away|taken away": "downloads; removes",
    r"unforeseen error": "the operation that failed",
    r"lead inwards": "nested",
    r"put aside": "interrupted; renamed",
    r"made up": "forged; invented",
    r"can bear": "needs; tolerates",
    r"does not count for": "is not valid for",
    r"let go before it was begun": "released before start",
    r"silent, killed": "not responding, killed",
    r"does not end, killed": "did not stop in time, killed",
    r"computes rightly": "self-test failed",
    r"of this very run": "already complete",
    r"is no length": "is not a valid number",
    r"out of the glass's frame": "outside the scanned area",
    r"what is going on": "progress",
    r"waits for its turn": "in queue",
    r"does not tell its": "does not state its",
}
"""Private terms and false friends as patterns, with the usual word."""

_SCRIPT = re.compile(r"redis\.call")
"""A string that holds this is code of another language."""
_PRIVATE = re.compile("|".join(rf"(?P<_{i}>\b(?:{term})\b)" for i, term in enumerate(USUAL_WORDS)), re.IGNORECASE)
_END_OF_SENTENCE = re.compile(r"(?<=[.!?:;])[)*]*\s+(?=[A-Z*(\"\[0-9])|\n(?=\s*(?:[-*]|\d+\.)\s)|\s*\|\s*|\n\s*\n")


def findings(text: str) -> Iterator[tuple[int, str, str]]:
    """Line (from 1), fault and sentence, for each fault of a plain text."""
    begin = 0
    for end in [*_END_OF_SENTENCE.finditer(text), None]:
        sentence = text[begin : end.start() if end else None]
        line = text.count("\n", 0, begin + len(sentence) - len(sentence.lstrip())) + 1
        told = " ".join(sentence.split())
        words = sum(1 for word in told.split() if re.search(r"\w", word))
        if words > MAX_WORDS:
            yield line, f"{words} words", told
        for match in _PRIVATE.finditer(told):
            better = list(USUAL_WORDS.values())[int((match.lastgroup or "_0")[1:])]
            yield line, f"'{match[0]}': {better}", told
        begin = end.end() if end else 0


def plain_markdown(text: str) -> str:
    """Without code, comments and addresses; each line stays on its line."""
    text = _blank(r"```.*?```|<!--.*?-->|^(?: {4}|\t).*?$", text)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return _code_as_a_word(text)


def plain_html(text: str) -> str:
    """The texts between the tags, and those of attributes that people see or hear."""
    text = _blank(r"<(script|style)\b.*?</\1>|<!--.*?-->", text)
    text = re.sub(r"<[^>]*?\b(?:title|placeholder|aria-label|alt)=\"([^\"]*)\"[^>]*>", r"|\1|", text)
    inline = r"</?(?:a|b|i|em|strong|span|code|kbd|small)\b[^>]*>"
    return _blank(r"<[^>]*>", re.sub(inline, "", text), "|")


def plain_javascript(text: str) -> str:
    """The strings, each on its line. A value in a template is one word."""
    text = _blank(r"/\*.*?\*/|^\s*//.*?$", text)
    found = re.compile(r"'(?:\\.|[^'\\\n])*'|\"(?:\\.|[^\"\\\n])*\"|`(?:\\.|[^`\\])*`", re.DOTALL)
    plain, begin = "", 0
    for literal in found.finditer(text):
        plain += "\n" * text.count("\n", begin, literal.start()) + "|" + re.sub(r"\$\{.*?\}", "X", literal[0])
        begin = literal.end()
    return plain


def strings_of_python(text: str) -> Iterator[tuple[int, str]]:
    """First line and text of each docstring and string. A value in an f-string is one word."""
    tree = ast.parse(text)
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            values = (str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values)
            yield node.lineno, "".join(values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            if _SCRIPT.search(node.value):
                continue
            yield node.lineno, _code_as_a_word(node.value)


def comments_of_python(text: str) -> Iterator[tuple[int, str]]:
    """First line and text of each comment. Lines below each other are one."""
    block: list[tokenize.TokenInfo] = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type != tokenize.COMMENT:
            continue
        is_more = block and token.line.lstrip()[0] == "#" and block[-1].start == (token.start[0] - 1, token.start[1])
        if block and not is_more:
            yield _comment(block)
            block = []
        block.append(token)
    if block:
        yield _comment(block)


def _comment(block: list[tokenize.TokenInfo]) -> tuple[int, str]:
    return block[0].start[0], _code_as_a_word("\n".join(token.string.lstrip("# ") for token in block))


def check(path: Path) -> Iterator[tuple[int, str, str]]:
    """The findings of a file, by its kind."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        for line, part in (*strings_of_python(text), *comments_of_python(text)):
            for below, fault, sentence in findings(part):
                yield line + below - 1, fault, sentence
    else:
        plain = {".md": plain_markdown, ".html": plain_html, ".js": plain_javascript}[path.suffix]
        yield from findings(plain(text))


def _blank(pattern: str, text: str, by: str = "") -> str:
    return re.sub(pattern, lambda found: by + "\n" * found[0].count("\n"), text, flags=re.DOTALL | re.MULTILINE)


def _code_as_a_word(text: str) -> str:
    return re.sub(r"(`+)[^`]+\1", lambda found: "X" + "\n" * found[0].count("\n"), text)


if __name__ == "__main__":
    root = Path(__file__).resolve().parent.parent
    files = sorted({path for pattern in (*PAGES, *CODE, *WEB) for path in root.glob(pattern)})
    faults = [(path, *fault) for path in files if path != Path(__file__).resolve() for fault in check(path)]
    for path, line, fault, sentence in faults:
        sys.stdout.write(f"{path.relative_to(root)}:{line}: {fault}: {sentence}\n")
    sys.exit(bool(faults))
