"""Forms and what busboy 1.6 makes of them; each row was compared with it."""

import pytest

from mock_atoms.api.multipart import MultipartError, MultipartParser, PartHead, decode_field, parse_content_type

FILE = 'form-data; name="file"; filename="a.csv"'
Parts = list[tuple[str | None, str, bytes]]


class Collector:
    """Collects parts as (name, kind, content)."""

    def __init__(self) -> None:
        self.parts: Parts = []

    def start_part(self, head: PartHead | None) -> None:
        if head is None:
            self.parts.append((None, "ignored", b""))
        else:
            kind = ("file" if head.has_file_name else "empty input") if head.is_file else "field"
            self.parts.append((head.name, kind, b""))

    def add_content(self, data: bytes) -> None:
        name, kind, content = self.parts[-1]
        self.parts[-1] = name, kind, content + data

    def end_part(self) -> None:
        name, kind, content = self.parts[-1]
        self.parts[-1] = name, kind, content + b"."


def parse(form: bytes, boundary: str = "B", chunk_size: int = 1000) -> Parts:
    """Return the parts of a complete form; the content of a complete part ends in a dot."""
    collector = Collector()
    parser = MultipartParser(boundary, collector)
    for start in range(0, len(form), chunk_size):
        parser.feed(form[start : start + chunk_size])
    assert parser.is_complete
    return collector.parts


def part(disposition: str, headers: str = "", content: str = "x", name: str = "Content-Disposition") -> bytes:
    return f"--B\r\n{name}: {disposition}\r\n{headers}\r\n{content}\r\n".encode()


@pytest.mark.parametrize("chunk_size", [1, 1000])
@pytest.mark.parametrize(
    "form",
    [
        pytest.param(part(FILE) + b"--B--\r\n", id="plain"),
        pytest.param(part(FILE) + b"--B--", id="no line end at the end"),
        pytest.param(b"\r\n" + part(FILE) + b"--B--", id="a line end first"),
        pytest.param(b"This is\r\na preamble.\r\n" + part(FILE) + b"--B--", id="preamble"),
        pytest.param(b"--A\r\n--C\r\n" + part(FILE) + b"--B--", id="preamble with other boundaries"),
        pytest.param(part(FILE) + b"--B--\r\nepilogue\r\n" + part(FILE) + b"--B--", id="epilogue"),
        pytest.param(part(FILE) + b"--B-- \r\n", id="a space at the end"),
        pytest.param(part('form-data;\r\n name="file";\r\n\tfilename="a.csv"') + b"--B--", id="folded"),
        pytest.param(part("FORM-DATA; NAME=file; FileName=a.csv", name="CONTENT-disposition") + b"--B--", id="case"),
        pytest.param(part(FILE, name="X: y\r\nContent-Disposition") + b"--B--", id="other headers"),
        pytest.param(part(FILE, "Content-Disposition: attachment\r\n") + b"--B--", id="the first of two headers"),
        pytest.param(part(f'{FILE}; name="x"; filename=""') + b"--B--", id="the first of two parameters"),
        pytest.param(part("form-data; name=\"file\"; filename*=utf-8''K%C3%BCche.csv") + b"--B--", id="filename*"),
        pytest.param(part("form-data; name=file; filename*=ISO-8859-1'de'K%FCche.csv") + b"--B--", id="Latin-1"),
        pytest.param(part(f"{FILE}; filename*=utf-8''K%C3%BCche.csv ") + b"--B--", id="filename and filename*"),
        pytest.param(part("form-data; name=file; filename*=utf-8''; filename=a") + b"--B--", id="an empty filename*"),
        pytest.param(part('form-data; name="file"; filename="a\\"b\\\\c.csv"') + b"--B--", id="escapes"),
        pytest.param(part('form-data; name="file"; filename="C:\\dir\\a.csv"') + b"--B--", id="a path of Windows"),
        pytest.param(part('form-data; name="file"; filename="Küche.csv"') + b"--B--", id="a name in UTF-8"),
        pytest.param(part(FILE, "Content-Transfer-Encoding: base64\r\n") + b"--B--", id="base64 is not decoded"),
        pytest.param(part(FILE).replace(b": ", b":") + b"--B--", id="no space after the colon"),
    ],
)
def test_a_form_with_one_file(form: bytes, chunk_size: int) -> None:
    assert parse(form, chunk_size=chunk_size) == [("file", "file", b"x.")]


@pytest.mark.parametrize(
    ("form", "parts"),
    [
        pytest.param(b"--B--", [], id="no part"),
        pytest.param(part("form-data; name=a", content=""), [("a", "field", b".")], id="an empty field"),
        pytest.param(part('form-data; name=a; filename=""'), [("a", "field", b"x.")], id="an empty file name"),
        pytest.param(part('form-data; name=a; filename="dir/"'), [("a", "empty input", b"x.")], id="a folder"),
        pytest.param(part('form-data; name=a; filename=".."'), [("a", "empty input", b"x.")], id="a parent folder"),
        pytest.param(
            part("form-data; name=a", "Content-Type: Application/Octet-Stream\r\n"),
            [("a", "empty input", b"x.")],
            id="bytes without a file name",
        ),
        pytest.param(part("form-data; name=a", "Content-Type: text/csv\r\n"), [("a", "field", b"x.")], id="CSV text"),
        pytest.param(part("form-data"), [(None, "field", b"x.")], id="no name"),
        pytest.param(part('form-data; name=""'), [(None, "field", b"x.")], id="an empty name"),
        pytest.param(part("form-data; name*=utf-8''a"), [(None, "field", b"x.")], id="name*"),
        pytest.param(part("form-data; name=a%22"), [("a%22", "field", b"x.")], id="percent signs stay"),
        pytest.param(part("form-data; name=a; filename*0=b; filename*1=c"), [("a", "field", b"x.")], id="filename*0"),
        pytest.param(part("attachment; name=a"), [(None, "ignored", b"")], id="another disposition"),
        pytest.param(part("y", name="X"), [(None, "ignored", b"")], id="no disposition"),
        pytest.param(part(f"{FILE};"), [(None, "ignored", b"")], id="a semicolon at the end"),
        pytest.param(part(f"{FILE}; x"), [(None, "ignored", b"")], id="no value"),
        pytest.param(part('form-data; name = "file"'), [(None, "ignored", b"")], id="spaces around ="),
        pytest.param(part('form-data; name="file'), [(None, "ignored", b"")], id="an open quote"),
        pytest.param(part("form-data; name=file; filename="), [(None, "ignored", b"")], id="nothing after ="),
        pytest.param(part("form-data; name=a; filename*=K.csv"), [(None, "ignored", b"")], id="filename* w/o charset"),
        pytest.param(part("form-data; name=a; filename*=utf-8''%GG"), [(None, "ignored", b"")], id="no digits"),
        pytest.param(part("form-data; name=a; filename*=utf-8''"), [(None, "ignored", b"")], id="filename* w/o value"),
        pytest.param(part("form-data; name=a; filename*=klingon''K"), [(None, "ignored", b"")], id="unknown charset"),
        pytest.param(
            part("form-data; name=a").replace(b"--B\r\n", b"--B \r\n"), [(None, "ignored", b"")], id="padded boundary"
        ),
        pytest.param(
            part("form-data; name=a", content="x\r\n--Bob\r\ny"),
            [("a", "field", b"x."), (None, "ignored", b"")],
            id="a line that starts like the boundary ends a part",
        ),
        pytest.param(part("form-data; name=a", content="x\n--B\ny"), [("a", "field", b"x\n--B\ny.")], id="LF is data"),
        pytest.param(part("form-data; name=a", content="--B"), [("a", "field", b"--B.")], id="the boundary behind"),
    ],
)
def test_parts_are_as_busboy_reports_them(form: bytes, parts: Parts) -> None:
    assert parse(form.removesuffix(b"--B--") + b"--B--") == parts


@pytest.mark.parametrize(
    "head",
    [
        b"\r\n",
        b"no colon\r\n",
        b": no name\r\n",
        b"Content-Disposition : a space\r\n",
        b" folded first\r\n",
        b"X: a\0b\r\n",
        b"X: a\nb\r\n",
        b"X: " + b"a" * 16_384,
        b"X: " + b"a" * 16_384 + b"\r\n\r\n",
    ],
)
def test_a_malformed_head_is_refused(head: bytes) -> None:
    with pytest.raises(MultipartError, match=r"^Malformed part header$"):
        parse(b"--B\r\n" + head + b"\r\nx\r\n--B--", chunk_size=100_000)


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("multipart/form-data; boundary=B", ("multipart/form-data", {"boundary": "B"})),
        ("Multipart/Form-Data;BOUNDARY=B ", ("multipart/form-data", {"boundary": "B"})),
        ('a/b; boundary="a b:c"; charset=utf-8', ("a/b", {"boundary": "a b:c", "charset": "utf-8"})),
        ("a/b; boundary=B; boundary=C", ("a/b", {"boundary": "B"})),
        ("a/b; boundary='B'", ("a/b", {"boundary": "'B'"})),
        ("a/b; filename*=x", ("a/b", {"filename*": "x"})),
        ("a/b; boundary=a:b", ("", {})),
        ("a/b; boundary=", ("", {})),
        ("a/b;", ("", {})),
        ("a/b;; boundary=B", ("", {})),
        ("a", ("", {})),
        ("", ("", {})),
    ],
)
def test_a_content_type_is_read_strictly(text: str, parsed: tuple[str, dict[str, str]]) -> None:
    assert parse_content_type(text) == parsed


@pytest.mark.parametrize(
    ("content", "charset", "text"),
    [
        ("Küche".encode(), "UTF-8", "Küche"),
        (b"K\xfcche", "utf-8", "K\ufffdche"),
        (b"K\xfcche", "iso-8859-1", "Küche"),
        ("Küche".encode("utf-16-le"), "utf-16le", "Küche"),
        (b"x", "shift_jis", None),
    ],
)
def test_a_field_has_the_charset_of_its_part(content: bytes, charset: str, text: str | None) -> None:
    assert decode_field(content, charset) == text


def test_a_header_has_at_most_100_parameters() -> None:
    assert parse_content_type("a/b" + ";a=b" * 100 + " ") == ("a/b", {"a": "b"})
    for text in ("a/b" + ";a=b" * 101, "a/b" + ";a=b" * 500_000 + ";"):
        with pytest.raises(MultipartError, match=r"^a header has more than 100 parameters$"):
            parse_content_type(text)
    with pytest.raises(MultipartError, match=r"^a header has more than 100 parameters$"):
        parse(part(FILE + ";a=b" * 100))


@pytest.mark.parametrize(
    ("quoted", "value"),
    [
        (r"\\", "\\"),
        (r"\\\\", "\\\\"),
        (r"\\\"", '\\"'),
        (r"\"\\", '"\\'),
        (r"\a\"b", '\\a"b'),
        (r"\"" * 30_000, '"' * 30_000),
        (r"\\\"" * 15_000, '\\"' * 15_000),
    ],
)
def test_a_quoted_value_has_two_escapes(quoted: str, value: str) -> None:
    assert parse_content_type(f'a/b; c="{quoted}"') == ("a/b", {"c": value})


def test_a_part_may_have_many_headers() -> None:
    headers = "X: y\r\n" * 2_000 + "content-type: text/csv\r\n\tb\r\n"
    form = part(FILE, name=f"{headers}Content-Disposition")
    assert parse(form + b"--B--", chunk_size=len(form)) == [("file", "file", b"x.")]
