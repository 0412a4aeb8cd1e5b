"""What every refused file of data has in common."""

from typing import Any

import pytest

from vaelib import load_dataset


def refused(path: Any, message: Any, **arguments: Any) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        load_dataset(path, **arguments)
    text = str(caught.value)
    assert text.startswith("Argument `name_or_path` must ")
    assert f"Received: name_or_path={path}, wh" in text
    assert text.count("Argument") == 1
    assert "\n" not in text
