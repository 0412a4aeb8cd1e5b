from collections.abc import Iterator

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest

mpl.use("agg")


@pytest.fixture(autouse=True)
def figures_closed_and_style_reset() -> Iterator[None]:
    with mpl.rc_context():
        yield
    plt.close("all")
