import io
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from refusals import refused

from vaelib.data import load_dataset
from vaelib.data._numpy_files import numpy_source
from vaelib.data._splitting import draw_rows

X = np.random.default_rng(0).normal(size=(35, 4)).astype(np.float32)
Y = np.arange(35) % 5


def test_npy(tmp_path: Path) -> None:
    np.save(tmp_path / "mine.npy", X.astype(np.float64))
    dataset = load_dataset(tmp_path / "mine.npy", split_seed=3)
    assert repr(dataset) == (
        "Dataset('mine.npy', examples of shape (4,), 25 train, 5 validation, 5 test, no labels, split_seed=3)"
    )
    everything = np.concatenate([dataset.x_train, dataset.x_val, dataset.x_test])
    np.testing.assert_array_equal(everything, X[dataset.order])


def test_npz_with_labels_is_stratified(tmp_path: Path) -> None:
    np.savez(tmp_path / "mine.npz", x=X, y=Y, note="ignored")
    dataset = load_dataset(str(tmp_path / "mine.npz"))
    assert sorted(dataset.y_test) == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(dataset.x_val, X[dataset.order[25:30]])
    np.testing.assert_array_equal(dataset.y_val, Y[dataset.order[25:30]])


def test_values_are_taken_as_they_are(tmp_path: Path) -> None:
    np.save(tmp_path / "bytes.npy", np.arange(250, dtype=np.uint8).reshape(10, 25))
    dataset = load_dataset(tmp_path / "bytes.npy")
    assert len(dataset.x_val) == len(dataset.x_test) == 1
    assert max(dataset.x_train.max(), dataset.x_val.max(), dataset.x_test.max()) == 249.0


def test_npz_with_three_parts_keeps_them(tmp_path: Path) -> None:
    np.savez(tmp_path / "parts.npz", x_train=X[:20], x_val=X[20:25], x_test=X[25:])
    dataset = load_dataset(tmp_path / "parts.npz")
    np.testing.assert_array_equal(dataset.x_val, X[20:25])
    assert dataset.split_seed is None
    assert len(dataset.resplit(1).x_test) == 10


@pytest.mark.parametrize("labels", [True, False])
def test_npz_without_validation_part_draws_it_from_training(tmp_path: Path, labels: Any) -> None:
    arrays = {"x_train": X[:28], "x_test": X[28:]}
    if labels:
        arrays |= {"y_train": Y[:28], "y_test": Y[28:]}
    np.savez(tmp_path / "parts.npz", **arrays)
    dataset = load_dataset(tmp_path / "parts.npz", split_seed=2)
    assert (len(dataset.x_train), len(dataset.x_val), len(dataset.x_test)) == (24, 4, 7)
    np.testing.assert_array_equal(dataset.x_test, X[28:])
    np.testing.assert_array_equal(dataset.x_val, X[dataset.order[24:28]])
    if labels:
        np.testing.assert_array_equal(dataset.y_val, Y[dataset.order[24:28]])
    assert dataset.split_seed == 2


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"PK\x03\x04 not a zip", b"\x93NUMPY", b"\x80\x04N."])
def test_files_of_another_kind(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "data.npz"
    path.write_bytes(content)
    refused(path, r"be a readable \.npz, \.npy or \.csv file.*is not such a file or is damaged")


@pytest.mark.parametrize("share", [0.2, 0.5, 0.95])
def test_truncated_files(tmp_path: Path, share: Any) -> None:
    for save, name in ((np.save, "a.npy"), (lambda file, x: np.savez_compressed(file, x=x), "a.npz")):
        buffer = io.BytesIO()
        save(buffer, X)
        path = tmp_path / name
        path.write_bytes(buffer.getvalue()[: int(share * len(buffer.getvalue()))])
        refused(path, "readable")


def test_a_damaged_member(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, x=X)
    content = bytearray(path.read_bytes())
    content[300] ^= 255
    path.write_bytes(bytes(content))
    refused(path, "damaged")


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.npy"
    np.save(path, X)

    def denied(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    refused(path, "which gives: Permission denied")


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    objects = np.array([{"a": 1}] * 20, dtype=object)
    np.save(tmp_path / "a.npy", objects, allow_pickle=True)
    np.savez(tmp_path / "a.npz", x=objects, allow_pickle=True)
    refused(tmp_path / "a.npy", "hold arrays of numbers.*Python objects")
    refused(tmp_path / "a.npz", "hold arrays of numbers.*Python objects")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.full((20, 2), "a")}, "hold real numbers.*whose `x` is an array of dtype <U1"),
        ({"x": np.ones((20, 2)) * 1j}, "hold real numbers"),
        (
            {"x": np.where(np.arange(40) % 8 == 7, np.nan, 0).reshape(20, 2)},
            r"5 values .* the first at \[3, 1\]",
        ),
        ({"x": np.full((20, 2), -np.inf)}, "40 values that are NaN or infinite"),
        ({"x": np.zeros((0, 2))}, "not be empty"),
        ({"x": np.zeros((20, 0))}, "not be empty"),
        ({"x": np.zeros(20)}, r"have the shape \(n, ...\)"),
        ({"x": np.zeros((9, 2))}, "hold 10 examples or more.*which holds 9"),
        (
            {"x": X, "y": Y[:-1]},
            r"one label for each of the 35 examples.*whose `y` is an array of shape \(34,\)",
        ),
        ({"x": X, "y": np.full(35, "a")}, "hold real numbers.*whose `y`"),
        ({"images": X}, "hold `x` .*which holds images"),
        ({}, "which holds no arrays"),
        ({"x_train": X}, "which holds x_train"),
        ({"x_train": X, "x_val": X}, "hold `x`"),
        ({"x": X, "x_test": X}, "hold `x`"),
        ({"x": X, "y_test": Y}, "hold `x`"),
        ({"y": Y}, "hold `x`"),
        ({"x_train": X, "x_test": X, "y_test": Y}, "labels for all parts or none"),
        (
            {"x_train": X, "x_test": X[:, :3]},
            r"examples of shape \(4,\).*whose `x_test` is an array of shape \(35, 3\)",
        ),
        ({"x_train": X[:1], "x_test": X}, "two training examples or more"),
        ({"x_train": X[:4], "x_test": X[:5]}, "hold 10 examples or more.*which holds 9"),
    ],
)
def test_unusable_arrays(tmp_path: Path, arrays: Any, message: Any) -> None:
    np.savez(tmp_path / "mine.npz", **arrays)
    refused(tmp_path / "mine.npz", message)


def test_a_member_that_is_no_array(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "mine.npz", "w") as file:
        file.writestr("x", "text")
    refused(tmp_path / "mine.npz", "which holds no arrays")


def test_other_members_are_not_opened(tmp_path: Path) -> None:
    objects = np.array([{"a": 1}], dtype=object)
    np.savez(tmp_path / "mine.npz", x=X, note=objects, allow_pickle=True)
    np.testing.assert_array_equal(np.sort(load_dataset(tmp_path / "mine.npz").order), np.arange(35))


@pytest.mark.parametrize("array", [np.asfortranarray(X), X.astype(">f8"), X > 0, (100 * X).astype(np.int16)])
@pytest.mark.parametrize("n", [None, 20])
def test_orders_and_types(tmp_path: Path, array: Any, n: Any) -> None:
    for save, name in ((np.save, "a.npy"), (lambda file, x: np.savez_compressed(file, x=x), "a.npz")):
        save(tmp_path / name, array)
        dataset = load_dataset(tmp_path / name, n=n)
        drawn = np.concatenate([dataset.x_train, dataset.x_val, dataset.x_test])[np.argsort(dataset.order)]
        np.testing.assert_array_equal(drawn, array[draw_rows(35, None, n or 35)].astype(np.float32))


def test_n_examples_in_proportion_with_their_labels(tmp_path: Path) -> None:
    x = np.arange(700, dtype=np.float32).reshape(350, 2)
    np.savez(tmp_path / "a.npz", x=x, y=np.repeat([0, 1], [300, 50]), factors=np.arange(700).reshape(350, 2))
    dataset = load_dataset(tmp_path / "a.npz", n=70)
    for part, size in (("train", 50), ("val", 10), ("test", 10)):
        x, y, factors = (getattr(dataset, f"{kind}_{part}") for kind in ("x", "y", "factors"))
        assert len(x) == size
        np.testing.assert_array_equal(y, x[:, 0] >= 600)
        np.testing.assert_array_equal(factors, x)
    assert [np.mean(dataset.y_train), np.mean(dataset.y_test)] == pytest.approx([1 / 7, 1 / 7], abs=0.05)
    for part in ("train", "val", "test"):
        again = load_dataset(tmp_path / "a.npz", 5, n=70)
        np.testing.assert_array_equal(getattr(dataset.resplit(5), f"x_{part}"), getattr(again, f"x_{part}"))


@pytest.mark.parametrize("n", [35, 34, 21, 10])
def test_n_examples_from_given_parts(tmp_path: Path, n: int) -> None:
    np.savez(tmp_path / "a.npz", x_train=X[:20], x_val=X[20:25], x_test=X[25:])
    dataset = load_dataset(tmp_path / "a.npz", n=n)
    sizes = {35: (20, 5, 10), 34: (19, 5, 10), 21: (12, 3, 6), 10: (6, 1, 3)}[n]
    assert (len(dataset.x_train), len(dataset.x_val), len(dataset.x_test)) == sizes
    for part, rows in (("train", X[:20]), ("val", X[20:25]), ("test", X[25:])):
        assert {tuple(row) for row in getattr(dataset, f"x_{part}")} <= {tuple(row) for row in rows}


def test_too_few_training_examples_are_left(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x_train=X[:2], x_test=X[2:])
    refused(tmp_path / "a.npz", "two training examples or more.*which holds 2 of 35", n=10)


def test_a_bad_value_is_told_apart_when_some_are_drawn(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.where(np.arange(70) < 69, 0, np.nan).reshape(35, 2))
    refused(tmp_path / "a.npy", r"whose `x` is an array of shape \(35, 2\) with 1 value .* at \[34, 1\]")
    np.save(tmp_path / "a.npy", np.full((35, 2), np.nan))
    refused(tmp_path / "a.npy", r"whose `x` \(the examples drawn\) is an array of shape \(20, 2\)", n=20)


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        (np.zeros((35, 2)), "hold integers.*whose `factors` is an array of dtype float64"),
        (np.zeros((34, 2), int), r"have the shape \(35, k\).*whose `factors` is an array of shape \(34, 2\)"),
        (np.zeros(35, int), r"have the shape \(35, k\)"),
        (np.zeros((35, 0), int), r"have the shape \(35, k\)"),
    ],
)
def test_factors_that_do_not_fit(tmp_path: Path, factors: Any, message: Any) -> None:
    np.savez(tmp_path / "a.npz", x=X, factors=factors)
    refused(tmp_path / "a.npz", message)


def test_factors_beside_parts(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x_train=X, x_test=X, factors=np.zeros((70, 1), int))
    refused(tmp_path / "a.npz", "hold `x` .*which holds x_train, x_test, factors")


# ---------------------------------------------------------------- memory


def published(path: Path, n: int, size: int = 8, **changed: Any) -> tuple[Any, Any]:
    """Writes an archive that is built as the published dSprites archive is, with an object that must stay pickled."""
    images = np.random.default_rng(1).integers(0, 2, size=(n, size, size)).astype(np.uint8)
    classes = np.stack([np.zeros(n), np.arange(n) % 3, np.arange(n) // 3], axis=1).astype(np.int64)
    metadata = np.array(Touches(path.with_suffix(".touched")), dtype=object)
    arrays = {"metadata": metadata, "imgs": images, "latents_classes": classes, "latents_values": classes / 2}
    np.savez_compressed(path, **(arrays | changed))
    return images, classes


class Touches:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_the_published_archive(tmp_path: Path) -> None:
    images, _ = published(tmp_path / "dsprites.npz", 60)
    np.load(tmp_path / "dsprites.npz", allow_pickle=True)["metadata"]
    assert (tmp_path / "dsprites.touched").exists()  # so the trap works
    (tmp_path / "dsprites.touched").unlink()
    for n in (None, 21):
        dataset = load_dataset(tmp_path / "dsprites.npz", n=n)
        assert dataset.input_shape == (8, 8, 1)
        assert dataset.y_train is None
        assert dataset.factors.shape == (n or 60, 2)  # the colour has one value and is no factor
        for part in ("train", "val", "test"):
            rows = getattr(dataset, f"factors_{part}") @ [1, 3]
            np.testing.assert_array_equal(getattr(dataset, f"x_{part}")[..., 0], images[rows])
    assert list(tmp_path.iterdir()) == [tmp_path / "dsprites.npz"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"latents_classes": np.zeros((59, 3), int)}, r"have the shape \(60, k\)"),
        ({"latents_classes": np.zeros((60, 3), int)}, r"have the shape \(60, k\).*array of shape \(60, 0\)"),
        ({"latents_classes": np.zeros(60, int)}, r"have the shape \(60, k\)"),
        ({"latents_classes": np.arange(120.0).reshape(60, 2)}, "hold integers"),
        ({"latents_classes": np.full((60, 2), None)}, "Python objects"),
        ({"imgs": np.full((60, 2, 2), None)}, "Python objects"),
        ({"imgs": np.zeros(60)}, r"have the shape \(n, ...\)"),
    ],
)
def test_other_archives_with_its_names(tmp_path: Path, changed: Any, message: Any) -> None:
    published(tmp_path / "a.npz", 60, **changed)
    refused(tmp_path / "a.npz", message)
    assert list(tmp_path.iterdir()) == [tmp_path / "a.npz"]


def test_images_without_their_factors(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", imgs=X, latents_values=X)
    refused(tmp_path / "a.npz", "hold `latents_classes`.*which holds imgs, latents_values")


def test_rows_are_picked_across_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images, _ = published(tmp_path / "a.npz", 60)
    rows = np.array([0, 6, 7, 8, 30, 59])
    for block in (1, 64 * 7, 2**22):
        monkeypatch.setattr("vaelib.data._numpy_files._BLOCK", block)
        stored = numpy_source(tmp_path / "a.npz").arrays["x"]
        np.testing.assert_array_equal(stored[rows][..., 0], images[rows])


def test_drawing_some_does_not_expand_all(tmp_path: Path) -> None:
    published(tmp_path / "a.npz", 9000, imgs=np.zeros((9000, 64, 64), np.uint8))
    tracemalloc.start()
    try:
        dataset = load_dataset(tmp_path / "a.npz", n=50)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert dataset.x_train.shape == (36, 64, 64, 1)
    assert peak < 15e6  # all images take 37 MB as bytes, 147 MB as float32


def test_more_than_two_gibibytes_are_refused(tmp_path: Path) -> None:
    with (tmp_path / "a.npy").open("wb") as file:  # 2.5 GB of nothing, in a sparse file
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": (600000, 64, 64)})
        file.truncate(file.tell() + 600000 * 4096)
    message = (
        rf"^Argument `n` must be at most 131072, because no more than 2 GiB are loaded\. Received: n=None\. "
        rf"The 600000 examples of {tmp_path}/a\.npy take 9\.2 GiB in float32: pass n=… to draw some of them\.$"
    )
    with pytest.raises(ValueError, match=message):
        load_dataset(tmp_path / "a.npy")
    with pytest.raises(ValueError, match="`n` must be at most 131072, because .* Received: n=131073"):
        load_dataset(tmp_path / "a.npy", n=131073)


def header(shape: Any, descr: str = "<f4") -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": descr, "fortran_order": False, "shape": shape})
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        header((10**12, 10**3)),
        header((-1, 4)) + bytes(160),
        header((35, 4)),
        header((35, 4)) + bytes(559),
        header((35, 4)) + bytes(561),
        header((10, 4), "<f4")[:-3],
        header((35, 4)).replace(b"}", b" ") + bytes(560),  # a TokenError inside NumPy
        b"\x93NUMPY\x03\x00" + header((35, 4))[8:] + bytes(560),
        b"\x93NUMPY\x01\x00\xff\xff" + b" " * 65535,
    ],
)
def test_headers_that_promise_something_else(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npy").write_bytes(content)
    refused(tmp_path / "a.npy", "is not such a file or is damaged")
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as file:
        file.writestr("x.npy", content)
    refused(tmp_path / "a.npz", "is not such a file or is damaged")


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_member_that_ends_early(tmp_path: Path, compression: int) -> None:
    """The archive's own directory claims the full size."""
    path = tmp_path / "a.npz"
    content = header((35, 4)) + X.tobytes()
    with zipfile.ZipFile(path, "w", compression) as file:
        file.writestr("x.npy", content[:-16])
    path.write_bytes(
        path.read_bytes().replace((len(content) - 16).to_bytes(4, "little"), len(content).to_bytes(4, "little"))
    )
    for n in (None, 20):
        refused(path, "is not such a file or is damaged", n=n)
