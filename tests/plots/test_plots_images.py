from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest

from vaelib.plots import plot_images, plot_reconstructions, plot_traversal

RNG = np.random.default_rng(0)
IMAGES = RNG.random((5, 8, 8, 1))
TRAVERSAL = RNG.random((2, 3, 4, 4))


def sheet(ax: Any) -> Any:
    return np.asarray(ax.images[0].get_array())


def texts(labels: Any) -> list[str]:
    return [label.get_text() for label in labels]


def test_images_fill_a_grid() -> None:
    ax = plot_images(IMAGES, columns=3)
    picture = sheet(ax)
    assert picture.shape == (17, 26, 4)  # two rows, three columns, gaps of one pixel
    np.testing.assert_array_equal(picture[9:17, 9:17, 0], IMAGES[4, :, :, 0])
    assert np.all(picture[9:17, 9:17, 3] == 1)
    assert np.all(picture[9:, 18:, 3] == 0)  # there is no sixth image
    assert np.all(picture[:, 8, 3] == 0)  # a gap
    assert len(ax.get_xticks()) == len(ax.get_yticks()) == 0


@pytest.mark.parametrize("images", [IMAGES[..., 0], IMAGES, np.repeat(IMAGES, 3, axis=-1)])
def test_grey_and_colour_images(images: Any) -> None:
    picture = sheet(plot_images(images))
    assert picture.shape == (8, 44, 4)
    np.testing.assert_array_equal(picture[:, 9:17, 2], IMAGES[1, :, :, 0])


def test_values_outside_are_shown_as_the_nearer_end() -> None:
    picture = sheet(plot_images([[[-1.0, 2.0]]]))
    assert picture[0, :, 0].tolist() == [0.0, 1.0]


def test_titles_and_row_labels() -> None:
    _, own = plt.subplots()
    ax = plot_images(IMAGES, titles=list("abcde"), columns=3, row_labels=["first", "second"], ax=own)
    assert ax is own
    assert texts(ax.texts) == list("abcde")
    assert ax.texts[3].get_position() == (3.5, 8 + 3 - 0.7)
    assert texts(ax.get_yticklabels()) == ["first", "second"]
    assert ax.get_yticks().tolist() == [3.5, 14.5]


def test_titles_may_be_an_array() -> None:
    ax = plot_images(IMAGES, titles=np.arange(5), row_labels=np.array(["row"]))
    assert texts(ax.texts) == list("01234")
    assert texts(ax.get_yticklabels()) == ["row"]


def test_reconstructions_lie_below_their_originals() -> None:
    ax = plot_reconstructions(IMAGES, 1 - IMAGES)
    picture = sheet(ax)
    assert picture.shape == (17, 44, 4)
    np.testing.assert_allclose(picture[:8, :8, 0] + picture[9:, :8, 0], 1)
    assert texts(ax.get_yticklabels()) == ["original", "reconstruction"]


def test_traversal_has_a_row_for_each_unit() -> None:
    ax = plot_traversal(TRAVERSAL, [-2, 0, 2], units=[5, 1])
    np.testing.assert_array_equal(sheet(ax)[5:9, 10:14, 0], TRAVERSAL[1, 2])
    assert texts(ax.get_yticklabels()) == ["unit 5", "unit 1"]
    assert texts(ax.get_xticklabels()) == ["-2", "0", "2"]
    assert ax.get_xlabel() == "z (standard deviations of the prior)"
    assert texts(plot_traversal(TRAVERSAL, [-2, 0, 2]).get_yticklabels()) == ["unit 0", "unit 1"]


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: plot_images(np.zeros((3, 8))), r"`images` must have the shape \(n, height, width\)"),
        (lambda: plot_images(np.zeros((3, 8, 8, 2))), "`images` must have the shape"),
        (lambda: plot_images(np.full((1, 2, 2), np.nan)), "`images` must hold only finite numbers"),
        (
            lambda: plot_images(IMAGES, titles=["a"]),
            "`titles` must have one entry for each of 5 images. Received: titles=1 entries",
        ),
        (
            lambda: plot_images(IMAGES, row_labels=["a", "b"]),
            "`row_labels` must have one entry for each of 1 rows",
        ),
        (lambda: plot_images(IMAGES, columns=0), "`columns` must be an integer >= 1"),
        (
            lambda: plot_reconstructions(IMAGES, IMAGES[1:]),
            r"`x_reconstructed` must have the shape \(5, 8, 8, 1\) of `x`",
        ),
        (
            lambda: plot_traversal(IMAGES[:, :, 0], [0]),
            r"`images` must have the shape \(units, steps, height, width\)",
        ),
        (
            lambda: plot_traversal(IMAGES[np.newaxis], [0, 1]),
            "`values` must have one entry for each of 5 columns",
        ),
        (
            lambda: plot_traversal(IMAGES[np.newaxis], range(5), units=[1, 2]),
            "`units` must have one entry for each of 1 rows",
        ),
        (
            lambda: plot_images(IMAGES, titles=5),
            "`titles` must have one entry for each of 5 images. Received: titles=5",
        ),
        (lambda: plot_images(IMAGES, titles="abcde"), "`titles` must have one entry for each of 5 images"),
        (lambda: plot_images(IMAGES, row_labels=np.array(1)), "`row_labels` must have one entry for each of 1 rows"),
        (lambda: plot_traversal(TRAVERSAL, [0, 1, 2], units=5), "`units` must have one entry .* Received: units=5"),
        (lambda: plot_traversal(TRAVERSAL, [0, 1, 2], units="ab"), "`units` must have one .* Received: units='ab'"),
        (lambda: plot_traversal(TRAVERSAL, [0, 1, 2], units=[0, "b"]), r"`units\[1\]` must be an integer >= 0"),
    ],
)
def test_images_that_cannot_be_drawn(draw: Any, message: Any) -> None:
    with pytest.raises(ValueError, match=f"^Argument {message}"):
        draw()
    assert plt.get_fignums() == []
