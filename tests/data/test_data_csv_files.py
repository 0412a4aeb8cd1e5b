from pathlib import Path
from typing import Any

import numpy as np
import pytest
from refusals import refused

from vaelib.data import load_dataset

ROWS = [f"{i},{i / 4},{i % 2}" for i in range(20)]


def written(folder: Path, lines: Any, name: str = "mine.csv", end: str = "\n") -> Path:
    path = folder / name
    path.write_bytes((end.join(lines) + end).encode())
    return path


def everything(dataset: Any, kind: str = "x") -> Any:
    parts = [getattr(dataset, f"{kind}_{part}") for part in ("train", "val", "test")]
    return np.concatenate(parts)[np.argsort(dataset.order)]


def test_without_a_header(tmp_path: Path) -> None:
    dataset = load_dataset(written(tmp_path, ROWS), split_seed=1)
    assert repr(dataset) == (
        "Dataset('mine.csv', examples of shape (3,), 14 train, 3 validation, 3 test, no labels, split_seed=1)"
    )
    np.testing.assert_array_equal(everything(dataset), [[i, i / 4, i % 2] for i in range(20)])


def test_with_a_header_and_labels(tmp_path: Path) -> None:
    dataset = load_dataset(written(tmp_path, ["a,b,label", *ROWS]))
    np.testing.assert_array_equal(everything(dataset), [[i, i / 4] for i in range(20)])
    np.testing.assert_array_equal(everything(dataset, "y"), np.arange(20) % 2)
    assert dataset.y_test.dtype == np.int64


def test_a_named_label_leaves_the_other_columns(tmp_path: Path) -> None:
    path = written(tmp_path, ["a, b ,label", *ROWS])
    dataset = load_dataset(path, label="b")
    np.testing.assert_array_equal(everything(dataset), [[i, i % 2] for i in range(20)])
    np.testing.assert_array_equal(everything(dataset, "y"), np.arange(20) / 4)
    assert dataset.y_test.dtype == np.float64


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n"])
@pytest.mark.parametrize("start", ["", "\ufeff", "\n"])
def test_line_ends_blank_lines_quotes_and_spaces(tmp_path: Path, end: str, start: str) -> None:
    lines = [start + '"first, of all","b"', *(f'"{i}", {i}e-1' for i in range(12))]
    dataset = load_dataset(written(tmp_path, lines, name="MINE.CSV", end=end))
    np.testing.assert_allclose(everything(dataset), [[i, i / 10] for i in range(12)], rtol=1e-6)


def test_some_of_the_lines(tmp_path: Path) -> None:
    dataset = load_dataset(written(tmp_path, ["a,b,label", *ROWS]), n=10)
    x, y = everything(dataset), everything(dataset, "y")
    assert x.shape == (10, 2)
    np.testing.assert_array_equal(y, x[:, 0] % 2)
    assert y.sum() == 5


def test_one_column_beside_the_labels(tmp_path: Path) -> None:
    assert load_dataset(written(tmp_path, ["a,label", *(f"{i},0" for i in range(12))])).input_shape == (1,)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["a,b", "1,2", "3,x"], r"hold only finite numbers.*, whose line 3, column 2 \('b'\) holds 'x'"),
        (["1,2", "3,x"], r"hold only finite numbers.*, whose line 2, column 2 holds 'x'"),
        (["1,2", "", "3,"], "line 3, column 2 holds nothing"),
        (["1,2", "nan,3"], "line 2, column 1 holds 'nan'"),
        (["1,2", "3,-inf"], "line 2, column 2 holds '-inf'"),
        (["1,2", "3,1e999"], "line 2, column 2 holds '1e999'"),
        (["1,2", f"3,{'y' * 80}"], f"line 2, column 2 holds '{'y' * 50}…'"),
        (["1,b", "1,2"], "line 1, column 2 holds 'b'"),
        (["1,2", "1_0,2"], "line 2, column 1 holds '1_0'"),
        (["a,b", "1,2", '"1\n",x'], r"line 4, column 2 \('b'\) holds 'x'"),
        (["a,b", "1,2", "1,2,3"], "hold equally many values in each line.*, whose line 3 has 3, not 2"),
        (["1,2,3", "1,2"], "whose line 2 has 2, not 3"),
        (["1", "2"], "hold two columns or more, separated by commas.*, whose line 1 has one"),
        (["1;2", "3;4"], "hold two columns or more, separated by commas"),
        ([""], "hold examples.*, which is empty"),
        (["", " ", " , "], "which is empty"),
        (["a,b"], "which holds nothing but its header"),
        (["a,b", *["1,2"] * 9], "hold 10 examples or more.*, which holds 9"),
        (["1,2"] * 20 + ["1e39,2"], r"hold only finite numbers.*at \[20, 0\]"),
        (["label,label,b", "1,2,3"], "have one column of labels.*, which has 2 columns 'label'"),
        (["1,2", '1,"2'], "be a readable .csv file.*, which gives: .*line 2"),
    ],
)
def test_bad_lines(tmp_path: Path, lines: Any, message: str) -> None:
    refused(written(tmp_path, lines), message)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "which is empty"),
        ("1,2\n3,é\n".encode("latin-1"), "be text in UTF-8.*, which is not"),
        ("1,2\n3,4\n".encode("utf-16"), "be text in UTF-8"),
        (b"PK\x03\x04\x80\xff", "be text in UTF-8"),
    ],
)
def test_other_content(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "mine.csv"
    path.write_bytes(content)
    refused(path, message)
    assert path.read_bytes() == content


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, ROWS)

    def denied(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    refused(path, "which gives: Permission denied")


def test_a_label_that_is_no_column(tmp_path: Path) -> None:
    path = written(tmp_path, ["width,height,kind", *ROWS])
    message = (
        r"^Argument `label` must be a column of mine\.csv: 'width', 'height', 'kind'\. Received: label='hight'\. "
        r"Did you mean 'height'\?$"
    )
    with pytest.raises(ValueError, match=message):
        load_dataset(path, label="hight")
    with pytest.raises(ValueError, match=r"^Argument `label` must be None, because mine\.csv has no line of column"):
        load_dataset(written(tmp_path, ROWS), label="kind")
