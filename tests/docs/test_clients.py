"""docs/clients.md shows the programs of tests/clients whole, as they are run there."""

from tests.helpers.snippets import ROOT, snippets

FOLDER = ROOT / "tests" / "clients"
LANGUAGES = {
    ".py": "python",
    ".mjs": "javascript",
    ".sh": "bash",
    ".go": "go",
    ".rb": "ruby",
    ".php": "php",
    ".java": "java",
}


def test_each_program_stands_in_the_document_whole() -> None:
    shown = [(s.language, s.word, s.text) for s in snippets() if s.document == "clients.md" and s.word]
    programs = [
        path
        for path in FOLDER.iterdir()
        if path.is_file() and not path.name.startswith((".", "__", "test_")) and path.suffix != ".json"
    ]
    assert sorted(shown) == sorted(
        (LANGUAGES[path.suffix], path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
        for path in programs
    )
    assert programs
