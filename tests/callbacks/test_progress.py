import io
import sys

import pytest
from small_models import compiled, examples, fit, plain_vae

from vaelib import EpochProgress


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("stream", [Terminal, io.StringIO])
def test_bar_shows_on_a_terminal_only(monkeypatch, stream):
    screen = stream()
    monkeypatch.setattr(sys, "stderr", screen)
    model = compiled(plain_vae(), run_eagerly=True)
    history = fit(model, examples(8), 8, 3, callbacks=[EpochProgress()]).history
    if stream is io.StringIO:
        assert screen.getvalue() == ""
    else:
        last = screen.getvalue().split("\r")[-1]
        assert "3/3" in last
        assert f"total_loss={history['total_loss'][-1]:.4g}" in last
