import numpy as np

from vaelib.data import load_dataset


def test_digits() -> None:
    digits = load_dataset("digits")
    assert digits.name == "digits"
    for part, n in (("train", 1297), ("val", 250), ("test", 250)):
        x, y = getattr(digits, f"x_{part}"), getattr(digits, f"y_{part}")
        assert x.shape == (n, 8, 8, 1)
        assert x.dtype == np.float32
        assert y.dtype == np.int64
        assert (x.min(), x.max()) == (0.0, 1.0)
        counts = np.bincount(y, minlength=10)
        assert np.abs(counts - n / 10).max() < 0.04 * n / 10 + 1


def test_digits_are_divided_by_the_seed() -> None:
    first, again, other = load_dataset("digits"), load_dataset("digits", 0), load_dataset("digits", 1)
    np.testing.assert_array_equal(first.x_test, again.x_test)
    assert not np.array_equal(first.x_test, other.x_test)
    together = np.concatenate([first.order, []])
    assert sorted(together) == list(range(1797))


def test_some_digits_keep_the_proportions_of_all() -> None:
    digits = load_dataset("digits", n=1000)
    assert (len(digits.x_train), len(digits.x_val), len(digits.x_test)) == (722, 139, 139)
    every = load_dataset("digits", n=1797)
    np.testing.assert_array_equal(every.x_test, load_dataset("digits").x_test)
