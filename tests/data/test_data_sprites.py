from typing import Any

import numpy as np
import pytest

from vaelib.data import load_dataset, load_sprites, render_sprites
from vaelib.data.sprites import GRID


def every_mask() -> Any:
    """Each shape, scale and orientation at the middle position, in rising order."""
    grid = np.meshgrid(np.arange(3), np.arange(6), np.arange(40), [16], [16], indexing="ij")
    classes = np.stack([axis.ravel() for axis in grid], axis=1)
    return render_sprites(classes)[..., 0].reshape(3, 6, 40, 64, 64)


def one(*classes: int, size: int = 64) -> Any:
    return render_sprites([classes], size)[0, :, :, 0]


def test_images_are_binary_bytes() -> None:
    images = render_sprites([[0, 0, 0, 0, 0], [2, 5, 39, 31, 31]])
    assert images.shape == (2, 64, 64, 1)
    assert images.dtype == np.uint8
    assert set(np.unique(images)) == {0, 1}


@pytest.mark.parametrize(
    ("scale", "first", "last"),  # with half sides of 4.625 to 9.25 around 0.27
    [(0, -4, 4), (1, -5, 5), (2, -6, 6), (3, -7, 7), (4, -8, 8), (5, -8, 9)],
)
def test_an_upright_square(scale: int, first: int, last: int) -> None:
    image = one(0, scale, 0, 10, 20)
    rows, columns = np.nonzero(image)
    assert image.sum() == (last - first + 1) ** 2  # filled
    assert (rows.min(), rows.max()) == (36 + first, 36 + last)  # 16 + 20
    assert (columns.min(), columns.max()) == (26 + first, 26 + last)


def test_a_quarter_turn_of_the_ellipse() -> None:
    """Wider than high at first; nearly upright after ten of 39 steps, which are 92°."""
    for orientation, (height, width) in ((0, (12, 26)), (10, (26, 12))):
        rows, columns = np.nonzero(one(1, 5, orientation, 16, 16))
        assert abs(np.ptp(rows) + 1 - height) <= 1
        assert abs(np.ptp(columns) + 1 - width) <= 1


def test_the_turn_is_clockwise() -> None:
    rows, columns = np.nonzero(one(1, 5, 4, 16, 16))  # 37°: the right end is lower
    assert rows[columns == columns.max()].mean() > rows[columns == columns.min()].mean() + 8


def test_the_heart_stands_on_its_tip() -> None:
    rows, columns = np.nonzero(one(2, 5, 0, 16, 16))
    widths = [np.ptp(columns[rows == row]) + 1 for row in range(rows.min(), rows.max() + 1)]
    assert widths[-1] <= 3
    assert max(widths) == max(widths[:8]) == 20
    assert not one(2, 5, 0, 16, 16)[rows.min(), 32]  # the notch


def test_all_masks_differ_but_at_the_two_ends_of_the_turn() -> None:
    masks = every_mask()
    np.testing.assert_array_equal(masks[:, :, 0], masks[:, :, 39])
    assert len(np.unique(masks[:, :, :39].reshape(3 * 6 * 39, -1), axis=0)) == 3 * 6 * 39


def test_neighbouring_classes_differ() -> None:
    masks = every_mask()
    for axis in range(3):
        moved = np.moveaxis(masks, axis, 0)
        assert ((moved[1:] != moved[:-1]).sum((-1, -2)) > 0).all()


def test_a_position_moves_by_one_pixel() -> None:
    image = one(2, 3, 5, 10, 10)
    np.testing.assert_array_equal(one(2, 3, 5, 11, 10)[:, 1:], image[:, :-1])
    np.testing.assert_array_equal(one(2, 3, 5, 10, 11)[1:], image[:-1])


def test_every_shape_lies_inside_at_every_corner() -> None:
    count = every_mask().sum((-1, -2))
    for x, y in ((0, 0), (31, 0), (0, 31), (31, 31)):
        grid = np.meshgrid(np.arange(3), np.arange(6), np.arange(40), [x], [y], indexing="ij")
        images = render_sprites(np.stack([axis.ravel() for axis in grid], axis=1))[..., 0]
        np.testing.assert_array_equal(images.sum((-1, -2)).ravel(), count.ravel())
        assert not images[:, [0, -1]].any()
        assert not images[:, :, [0, -1]].any()


def test_the_share_of_ones_is_as_published() -> None:
    assert every_mask().mean() == pytest.approx(0.0425, rel=0.01)


@pytest.mark.parametrize(("size", "first", "step"), [(32, 1, 2), (16, 2, 4)])
def test_smaller_images_take_each_second_or_fourth_pixel(size: int, first: int, step: int) -> None:
    rng = np.random.default_rng(0)
    classes = np.stack([rng.integers(count, size=700) for count in GRID.values()], axis=1)
    np.testing.assert_array_equal(render_sprites(classes, size), render_sprites(classes)[:, first::step, first::step])
    assert render_sprites(classes, size).any(axis=(1, 2, 3)).all()


def test_many_images_are_the_single_ones() -> None:
    rng = np.random.default_rng(1)
    classes = np.stack([rng.integers(count, size=1100) for count in GRID.values()], axis=1)
    images = render_sprites(classes)
    for i in (0, 511, 512, 1023, 1024, 1099):
        np.testing.assert_array_equal(images[i, :, :, 0], one(*classes[i]))


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ([[0, 0, 0, 0]], r"`classes` must have the shape \(n, 5\). Received: classes=an array of shape \(1, 4\)"),
        ([0, 0, 0, 0, 0], r"`classes` must have the shape \(n, 5\)"),
        (np.zeros((0, 5), int), "`classes` must not be empty"),
        (np.zeros((2, 5)), "`classes` must hold integers. Received: classes=an array of dtype float64"),
        (np.zeros((2, 5), bool), "`classes` must hold integers"),
        (np.full((2, 5), np.nan), "`classes` must hold only finite numbers"),
        ("square", "`classes` must hold real numbers"),
        (None, "`classes` must hold real numbers"),
        ([[0, 0, 0, 0, 0], [0, 0, 0]], "`classes` must hold rows of equal length"),
        ([[0, 0, 0, 0, 0], [3, 0, 0, 0, 0]], "hold in column 0, shape, 0 to 2. Received: classes=3 in row 1"),
        ([[0, 0, 40, 0, 0]], "hold in column 2, orientation, 0 to 39. Received: classes=40 in row 0"),
        ([[0, 0, 0, 0, -1]], "hold in column 4, position_y, 0 to 31. Received: classes=-1 in row 0"),
    ],
)
def test_classes_that_are_none(classes: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        render_sprites(classes)


@pytest.mark.parametrize("size", [0, 8, 65, 64.0, np.nan, "64", True, None])
def test_sizes_that_are_none(size: Any) -> None:
    for act in (lambda: render_sprites([[0] * 5], size), lambda: load_sprites(size=size)):
        with pytest.raises(ValueError, match="^Argument `size` must be"):
            act()


def test_the_default_dataset() -> None:
    dataset = load_dataset("sprites")
    assert (len(dataset.x_train), len(dataset.x_val), len(dataset.x_test)) == (7142, 1429, 1429)
    assert dataset.input_shape == (64, 64, 1)
    assert dataset.x_train.dtype == np.float32
    assert dataset.factors.shape == (10_000, 5)
    for column, count in enumerate(GRID.values()):
        assert len(np.unique(dataset.factors[:, column])) == count
    assert len(np.unique(dataset.factors, axis=0)) == 10_000
    for part in ("train", "test"):
        images = render_sprites(getattr(dataset.resplit(3), f"factors_{part}"))
        np.testing.assert_array_equal(getattr(dataset.resplit(3), f"x_{part}"), images)


def test_a_chosen_grid() -> None:
    dataset = load_sprites(size=32, shapes=[2, 0], scales={5}, orientations=range(0, 40, 10), positions_y=(31,))
    assert len(dataset.factors) == 2 * 4 * 32
    wanted = ([0, 2], [5], [0, 10, 20, 30], list(range(32)), [31])
    assert [np.unique(column).tolist() for column in dataset.factors.T] == list(wanted)
    assert dataset.factors[:33:32, 2].tolist() == [0, 10]  # the last factor varies fastest
    np.testing.assert_array_equal(dataset.x_val, render_sprites(dataset.factors_val, 32))
    assert len(load_sprites(50, size=16, shapes=[1]).factors) == 50


@pytest.mark.parametrize(
    ("name", "highest"),
    [("shapes", 2), ("scales", 5), ("orientations", 39), ("positions_x", 31), ("positions_y", 31)],
)
@pytest.mark.parametrize("value", [[], [-1], [99], [0, 0], [0.5], [np.nan], ["0"], [True], 0, "01", 1.5])
def test_choices_that_are_none(name: str, highest: int, value: Any) -> None:
    message = rf"^Argument `{name}` must hold different integers from 0 to {highest}\. Received: {name}="
    with pytest.raises(ValueError, match=message):
        load_sprites(**{name: value})


def test_too_few_and_too_many_images() -> None:
    chosen: dict[str, Any] = {"shapes": [0], "scales": [0], "orientations": [0], "positions_x": [0]}
    with pytest.raises(ValueError, match="`n` must be at most 32, all examples of the chosen sprites. Received: n=33"):
        load_sprites(33, **chosen)
    message = "`shapes` must leave 10 images or more, together with the other choices. Received: shapes=9 images"
    with pytest.raises(ValueError, match=message):
        load_sprites(**chosen, positions_y=range(9))
    with pytest.raises(ValueError, match="`n` must be at most 131072, because no more than 2 GiB are loaded"):
        load_dataset("sprites", n=131073)
    with pytest.raises(ValueError, match="`n` must be at most 737280"):
        load_dataset("sprites", n=737281)
