"""Check the language of documents, docstrings, comments, messages and names against `.ci/language.toml`.

usage: python .ci/check_language.py [FILE…]

Checks all files of the project if none is named. Prints each finding as `file:line: problem`, and exits with 1 if there
is one.
"""

import ast
import io
import re
import sys
import tokenize
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RULES = ROOT / ".ci" / "language.toml"
MAX_WORDS = 25
FILES = [
    "*.md",
    "docs/**/*.md",
    "benchmarks/*.md",
    "Makefile",
    "Dockerfile",
    "docker-compose.yml",
    "pyproject.toml",
    ".ci/run",
    ".ci/*.py",
    ".github/**/*.yml",
    "fixtures/*",
    "mock_atoms/**/*.py",
    "mock_atoms/**/*.html",
    "mock_atoms/**/*.js",
    "mock_atoms/**/*.css",
    "benchmarks/*.py",
    "tests/**/*.py",
    "tests/clients/*.*",
]
"""What is checked, as globs below the root. Text that is not Markdown or Python is searched as it is, code included."""


@dataclass(frozen=True)
class Allowed:
    """An exception: text that may stay.

    Attributes:
        text: what may be written; covers the phrases inside of it.
        reason: why it stays.
        files: glob of the files where it may be written.
    """

    text: re.Pattern[str]
    reason: str
    files: str = "*"


@dataclass(frozen=True)
class Rules:
    """The content of `language.toml`."""

    phrases: list[tuple[re.Pattern[str], str]]
    openings: list[tuple[re.Pattern[str], str]] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    vague_names: dict[str, str] = field(default_factory=dict)
    allowed: list[Allowed] = field(default_factory=list)


@dataclass(frozen=True)
class Passage:
    """Consecutive text of a file, with its first line and, for a string with line breaks in one line, the last."""

    line: int
    text: str
    last: int | None = None

    def line_at(self, offset: int) -> int:
        """Return the line of the character at `offset`."""
        line = self.line + self.text.count("\n", 0, offset)
        return line if self.last is None else min(line, self.last)


def phrase_pattern(expression: str) -> re.Pattern[str]:
    """Compile an expression that matches complete words, across line breaks."""
    return re.compile(r"(?<!\w)(?:" + expression.replace(" ", r"\s+") + r")(?!\w)", re.IGNORECASE)


def load_rules(text: str) -> Rules:
    """Parse the text of `language.toml`.

    Raises:
        KeyError: an exception has no reason.
    """
    document = tomllib.loads(text)
    return Rules(
        [(phrase_pattern(expression), instead) for expression, instead in document["phrases"].items()],
        [(re.compile(rf"(?:{word})\b"), instead) for word, instead in document.get("openings", {}).items()],
        document.get("names", {}),
        document.get("vague_names", {}),
        [
            Allowed(re.compile(entry["text"], re.IGNORECASE), entry["reason"], entry.get("files", "*"))
            for entry in document.get("allowed", [])
        ],
    )


def comments(source: str) -> Iterator[Passage]:
    """Yield the comments of Python code; lines of one comment are one passage."""
    start, lines = 0, list[str]()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            if lines and token.start[0] != start + len(lines):
                yield Passage(start, "\n".join(lines))
                lines = []
            if not lines:
                start = token.start[0]
            lines.append(token.string.lstrip("# "))
    if lines:
        yield Passage(start, "\n".join(lines))


def strings(tree: ast.AST, *, only_docstrings: bool) -> Iterator[Passage]:
    """Yield the docstrings of Python code, those of attributes included, and other strings on request."""
    docstrings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        is_wanted = node in docstrings or not only_docstrings
        if is_wanted and isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield Passage(node.lineno, node.value, node.end_lineno)


def definitions(tree: ast.AST) -> Iterator[Passage]:
    """Yield the names of functions and classes as words."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield Passage(node.lineno, node.name.replace("_", " ").strip())


def passages(path: str, text: str) -> Iterator[Passage]:
    """Yield the prose of a file. Strings in tests are data, except docstrings; their names are prose."""
    if not path.endswith(".py"):
        yield Passage(1, text)
        return
    tree = ast.parse(text)
    is_test = path.startswith("tests/")
    yield from comments(text)
    yield from strings(tree, only_docstrings=is_test)
    if is_test:
        yield from definitions(tree)


def sentences(markdown: str) -> Iterator[Passage]:
    """Yield the sentences of the prose of a Markdown document: no code, tables, headings or HTML."""
    block = list[str]()
    start = 0
    in_code = False
    for number, line in enumerate([*markdown.splitlines(), ""], 1):
        text = line.strip().removeprefix("> ").strip()
        if text.startswith(("```", "~~~")):
            in_code = not in_code
        is_prose = bool(text) and not in_code and not text.startswith(("```", "~~~", "|", "#", "<", "[!"))
        is_item = bool(re.match(r"([-*+]|\d+\.)\s", text))
        if block and (is_item or not is_prose):
            yield from _split_sentences(Passage(start, "\n".join(block)))
            block = []
        if is_prose:
            start = start if block else number
            block.append(text)


def _split_sentences(block: Passage) -> Iterator[Passage]:
    # Code and targets of links become one word without a full stop, and keep their line breaks.
    text = re.sub(r"`[^`]*`", lambda match: "code" + "\n" * match[0].count("\n"), block.text)
    text = re.sub(r"\]\([^)]*\)", lambda match: "]" + "\n" * match[0].count("\n"), text)
    offset = 0
    for end in re.finditer(r"[.!?]['\")*\]]*(?=\s|$)|$", text):
        if text[offset : end.end()].strip():
            skipped = len(text[offset : end.end()]) - len(text[offset : end.end()].lstrip())
            yield Passage(block.line + text.count("\n", 0, offset + skipped), text[offset : end.end()].strip())
        offset = end.end()


def long_sentences(markdown: str) -> Iterator[tuple[int, str]]:
    """Yield line and problem of each sentence with more than `MAX_WORDS` words."""
    for sentence in sentences(markdown):
        words = [word for word in sentence.text.split() if re.search(r"\w", word)]
        if len(words) > MAX_WORDS:
            yield (
                sentence.line,
                f"{len(words)} words in one sentence ({' '.join(words[:5])} …): write at most {MAX_WORDS}",
            )


def long_docstring_sentences(source: str) -> Iterator[tuple[int, str]]:
    """Yield line and problem of each long sentence in docstrings. Entries of their sections are separate."""
    for docstring in strings(ast.parse(source), only_docstrings=True):
        text = re.sub(r"^(\s*)(\w+(?:, \w+)*:)", r"\1- \2", docstring.text, flags=re.MULTILINE)
        for line, problem in long_sentences(text):
            yield docstring.line + line - 1, problem


class Check:
    """Searches files by `rules`; notes which exceptions were used."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._used = set[Allowed]()

    def findings(self, path: str, text: str) -> list[tuple[int, str]]:
        """Return line and problem of each finding in the file `path`, a path below the root, in the order of lines."""
        if path.endswith(".py"):
            try:
                ast.parse(text)
            except SyntaxError as error:
                return [(error.lineno or 1, f"{error.msg}: fix the syntax")]
        found = [finding for passage in passages(path, text) for finding in self._phrases(path, passage)]
        if path.endswith(".md"):
            found += long_sentences(text)
            found += self._openings(text)
        if path.endswith(".py") and not path.startswith("tests/"):
            found += long_docstring_sentences(text)
        if path.startswith("mock_atoms/") and path.endswith(".py"):
            found += self._names(text)
        return sorted(found)

    def unused(self) -> list[Allowed]:
        """Return the exceptions that no file needed."""
        return [allowed for allowed in self._rules.allowed if allowed not in self._used]

    def _phrases(self, path: str, passage: Passage) -> Iterator[tuple[int, str]]:
        for pattern, instead in self._rules.phrases:
            for match in pattern.finditer(passage.text):
                if not self._is_allowed(path, passage.text, match):
                    yield passage.line_at(match.start()), f'"{" ".join(match[0].split())}": write {instead}'

    def _openings(self, markdown: str) -> Iterator[tuple[int, str]]:
        for sentence in sentences(markdown):
            text = re.sub(r"^([-*+]|\d+\.)\s+", "", sentence.text)
            for pattern, instead in self._rules.openings:
                if pattern.match(text) and not text.endswith("?"):
                    yield sentence.line, f'the sentence starts with "{" ".join(text.split()[:3])} …": {instead}'

    def _is_allowed(self, path: str, text: str, match: re.Match[str]) -> bool:
        for allowed in self._rules.allowed:
            if fnmatch(path, allowed.files) and any(
                other.start() <= match.start() and match.end() <= other.end() for other in allowed.text.finditer(text)
            ):
                self._used.add(allowed)
                return True
        return False

    def _names(self, source: str) -> Iterator[tuple[int, str]]:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.NAME:
                words = token.string.lower().strip("_")
                instead = self._rules.vague_names.get(words) or next(
                    (self._rules.names[word] for word in words.split("_") if word in self._rules.names), None
                )
                if instead:
                    yield token.start[0], f"the name `{token.string}`: write {instead}"


def files(root: Path, globs: Iterable[str] = FILES) -> list[str]:
    """Return the files to check, as paths below `root`."""
    found = {path for glob in globs for path in root.glob(glob) if path.is_file() and "node_modules" not in path.parts}
    return sorted(path.relative_to(root).as_posix() for path in found)


def main(root: Path, rules: Rules, named: list[str]) -> int:
    """Check `named` files below `root`, or all; print the findings and return the exit code."""
    check = Check(rules)
    count = 0
    for path in named or files(root):
        for line, problem in check.findings(path, (root / path).read_text(encoding="utf-8")):
            print(f"{path}:{line}: {problem}")
            count += 1
    for allowed in [] if named else check.unused():
        print(f".ci/language.toml: the exception {allowed.text.pattern!r} is unused: remove it")
        count += 1
    if count:
        print(f"{count} findings. If a text must stay, such as a message of the vendor's, add it to .ci/language.toml.")
    return 1 if count else 0


if __name__ == "__main__":
    names = [Path(name).resolve().relative_to(ROOT).as_posix() for name in sys.argv[1:]]
    raise SystemExit(main(ROOT, load_rules(RULES.read_text(encoding="utf-8")), names))
