"""The folder of `--stubs`."""

import json
import logging
import os
from pathlib import Path

import pytest

from mock_atoms.core.parsing import ConfigError
from mock_atoms.journal.credentials import Credentials
from mock_atoms.wiremock import stub_book, stub_folder
from mock_atoms.wiremock.stub_folder import BodyFiles, read_stubs
from mock_atoms.wiremock.stub_response import MAX_STUB_FILE_BYTES
from mock_atoms.wiremock.stubs import Stub
from tests.wiremock.test_stubs import ID

STUB = {"request": {"urlPath": "/a"}}


def write(folder: Path, **files: object) -> None:
    for name, content in files.items():
        path = folder / "mappings" / f"{name.replace('__', '/')}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")


def read(folder: Path) -> list[Stub]:
    return read_stubs(folder, Credentials(b"k"))


def test_files_have_one_stub_or_a_list(tmp_path: Path) -> None:
    write(tmp_path, b={"mappings": [STUB, {"name": "second"}], "meta": {"total": 2}}, a={"name": "first"}, deep__c=STUB)
    (tmp_path / "mappings" / ".hidden.json").write_text("no JSON")
    stubs = read(tmp_path)
    assert [stub.as_json().get("name") for stub in stubs] == ["first", None, "second", None]
    assert len({stub.id for stub in stubs}) == 4


def test_a_stub_sends_a_file(tmp_path: Path) -> None:
    (tmp_path / "__files" / "deep").mkdir(parents=True)
    (tmp_path / "__files" / "deep" / "a.bin").write_bytes(b"\0\xff")
    write(tmp_path, a={"response": {"bodyFileName": "deep/a.bin"}})
    assert read(tmp_path)[0].response.body == b"\0\xff"


def test_an_empty_folder_causes_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert read(tmp_path) == []
    assert "has no stub" in caplog.text


def problem_of(folder: Path) -> str:
    with pytest.raises(ConfigError) as error:
        read(folder)
    return str(error.value)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('{\n"a": }', ":2: not JSON: Expecting value"),
        ('{"name": "\\ud800"}', "half of a surrogate pair"),
        ('{"priority": NaN}', "not JSON: Out of range float"),
        ({"mappings": 1}, "/mappings: must be a list"),
        ({"mappings": [], "other": 1}, "/other: unknown key beside mappings"),
        ({"mappings": [{}, {"request": {"urlPaht": "/"}}]}, "/mappings/1/request/urlPaht: unsupported field"),
        ({"response": {"proxyBaseUrl": "a"}}, "/response/proxyBaseUrl: proxying is not supported"),
        ([], "/: must be an object"),
        ({"mappings": [{"id": ID}, {"id": ID}]}, f"/mappings/1/id: {ID} is duplicated"),
    ],
)
def test_an_error_names_file_position_and_field(content: object, problem: str, tmp_path: Path) -> None:
    write(tmp_path, a=content)
    assert f"{tmp_path / 'mappings' / 'a.json'}" in problem_of(tmp_path)
    assert problem in problem_of(tmp_path)


def test_an_error_lists_all_problems(tmp_path: Path) -> None:
    write(tmp_path, a={"mappings": [{"x": 1}, {"y": 1}]}, b={"mappings": [{"z": 1}] * 30})
    text = problem_of(tmp_path)
    assert "/mappings/0/x" in text
    assert "/mappings/1/y" in text
    assert "b.json: /mappings/0/z" in text
    assert "and 12 more" in text


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    assert "not a folder" in problem_of(tmp_path / "missing")


def test_folders_and_files_that_cannot_be_read_are_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, a=STUB)

    def refuse(*_args: object, **_options: object) -> None:
        raise OSError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", refuse)
        assert "a.json: cannot be read: Permission denied" in problem_of(tmp_path)
    monkeypatch.setattr(Path, "rglob", refuse)
    assert "the stubs folder cannot be read: Permission denied" in problem_of(tmp_path)


def test_long_files_and_too_many_stubs_are_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, a={"mappings": [STUB, {}]})
    monkeypatch.setattr(stub_book, "MAX_STUBS", 1)
    assert "at most 1 stubs" in problem_of(tmp_path)
    monkeypatch.setattr(stub_folder, "MAX_STUBS_FILE_BYTES", 10)
    assert "too large: at most 10 bytes" in problem_of(tmp_path)


def test_body_files_stay_inside_their_folder(tmp_path: Path) -> None:
    files = BodyFiles(tmp_path)
    (tmp_path / "__files").mkdir()
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "__files" / "link.txt").symlink_to(tmp_path / "secret.txt")
    (tmp_path / "__files" / "loop.txt").symlink_to(tmp_path / "__files" / "loop.txt")
    (tmp_path / "__files" / "a.txt").write_text("a")
    (tmp_path / "__files" / "long.txt").write_bytes(b"a" * (MAX_STUB_FILE_BYTES + 1))
    assert files.read("a.txt") == files.read("/a.txt") == b"a"
    for name, problem in {
        "../secret.txt": "is not inside",
        "link.txt": "is not inside",
        "loop.txt": "cannot be read",
        "missing.txt": "has no file",
        "long.txt": "is too large",
        "a" * 300: "cannot be read|has no file",
        "a\0b": "null",
    }.items():
        with pytest.raises(ValueError, match=problem):
            files.read(name)
    with pytest.raises(ValueError, match="start it with --stubs"):
        BodyFiles(None).read("a.txt")


def test_a_body_file_that_cannot_be_read_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "is_file", refuse)
    with pytest.raises(ValueError, match="cannot be read: Input/output error"):
        BodyFiles(tmp_path).read("a.txt")


def test_hidden_folders_pipes_and_folders_are_ignored(tmp_path: Path) -> None:
    write(tmp_path, a={"name": "first"})
    mappings = tmp_path / "mappings"
    (mappings / "..2026").mkdir()  # Kubernetes mounts a ConfigMap so
    (mappings / "a.json").rename(mappings / "..2026" / "a.json")
    (mappings / "..data").symlink_to("..2026")
    (mappings / "a.json").symlink_to("..data/a.json")
    (mappings / "folder.json").mkdir()
    os.mkfifo(mappings / "pipe.json")
    assert [stub.as_json().get("name") for stub in read(tmp_path)] == ["first"]


def test_mappings_that_are_no_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "mappings").write_text("[]", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"mappings: not a folder$"):
        read(tmp_path)
