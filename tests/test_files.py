import os
from pathlib import Path
from typing import Any

import pytest

from vaelib._files import atomic_path, writable_folder


def test_writable_folder_is_created_with_its_parents(tmp_path: Path) -> None:
    folder = writable_folder("output", tmp_path / "a" / "b", ["model.keras"], overwrite=False)
    assert folder.is_dir()
    assert list(folder.iterdir()) == []


def test_earlier_results_are_named_and_kept(tmp_path: Path) -> None:
    (tmp_path / "model.keras").write_text("old")
    with pytest.raises(ValueError, match=r"`output` must not hold earlier results.*holds model\.keras.*overwrite=True"):
        writable_folder("output", tmp_path, ["model.keras", "loss.png"], overwrite=False)
    assert writable_folder("output", tmp_path, ["model.keras"], overwrite=True) == tmp_path
    assert (tmp_path / "model.keras").read_text() == "old"


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="`output` must be a folder that can be written to"):
        writable_folder("output", tmp_path / "file", [], overwrite=False)


def test_a_folder_without_permission_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(**_: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", denied)
    with pytest.raises(ValueError, match=r"can be written to.*Permission denied\."):
        writable_folder("output", tmp_path, [], overwrite=False)


def test_atomic_path_replaces_only_on_success(tmp_path: Path) -> None:
    target = tmp_path / "model.weights.h5"
    target.write_text("old")
    with atomic_path(target) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.name.endswith("model.weights.h5")
        temporary.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert os.listdir(tmp_path) == ["model.weights.h5"]  # noqa: PTH208 - hidden files count


def test_atomic_path_leaves_nothing_behind_after_an_error(tmp_path: Path) -> None:
    target = tmp_path / "plot.png"

    def interrupted() -> None:
        with atomic_path(target) as temporary:
            temporary.write_text("half")
            raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_no_name_is_no_folder():
    with pytest.raises(ValueError, match=r"^Argument `output` must be a folder .*Received: output=''\."):
        writable_folder("output", "", ["a"], overwrite=True)


@pytest.mark.parametrize("path", [3, None, b"results"])
def test_what_is_no_path_is_shown_as_it_is(path):
    with pytest.raises(
        ValueError, match=rf"^Argument `output` must be the path of a folder\. Received: output={path}\.$"
    ):
        writable_folder("output", path, [], overwrite=True)


@pytest.mark.parametrize("overwrite", [True, False])
def test_a_folder_in_the_place_of_a_file_is_refused(tmp_path, overwrite):
    (tmp_path / "model.keras").mkdir()
    with pytest.raises(
        ValueError, match=r"^Argument `output` must hold no folder named model\.keras, which is to be a"
    ):
        writable_folder("output", tmp_path, ["loss.png", "model.keras"], overwrite)
    assert [path.name for path in tmp_path.iterdir()] == ["model.keras"]
