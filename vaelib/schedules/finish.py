"""What to say before a run in which a schedule does not end where it should."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from vaelib._checks import positive_int
from vaelib.schedules.base import BetaScheduler, Scheduler, evaluate, require_schedule
from vaelib.schedules.feedback import FeedbackBetaScheduler

_TOLERANCE = 0.01  # of the range of β
_SEARCH = 10_000  # epochs


def finish_warning(scheduler: Callable[[float], Any], epochs: int, steps_per_epoch: int) -> str | None:
    """Returns one sentence if a schedule will not end at its final value, or None.

    The final value is the highest one, unless the schedule falls towards another (`BetaScheduler.final`). The sentence
    is due when β at the last step differs from it by more than 1 % of the schedule's range: the run is shorter than the
    rise, a cycle stops at its low point, or a restart came shortly before the end. It names the nearest length of the
    run that would end well, where there is one.

    Args:
        scheduler: a schedule. Feedback schedules, whose end cannot be known, and functions that are no
            schedulers give None, as does a reader's schedule without `bounds`.
        epochs: the planned length of the run.
        steps_per_epoch: steps in an epoch, a last smaller batch included.

    Raises:
        ValueError: if `scheduler` is not callable, or a number is not an integer >= 1.

    >>> from vaelib.schedules import CyclicalBetaScheduler, LinearBetaScheduler
    >>> finish_warning(LinearBetaScheduler(warmup_epochs=10), epochs=10, steps_per_epoch=100)
    >>> print(finish_warning(LinearBetaScheduler(warmup_epochs=40), epochs=10, steps_per_epoch=100))
    beta comes to 0.25 at most in 10 epochs, not to its highest value 1: train for 40 epochs or let it rise faster.
    >>> print(finish_warning(CyclicalBetaScheduler(cycle_length=20), epochs=60, steps_per_epoch=100))
    beta ends at 2.47e-06 after 60 epochs, away from its highest value 1: train for 70 epochs or choose a schedule that
    ends at the top.
    """
    epochs, steps = positive_int("epochs", epochs), positive_int("steps_per_epoch", steps_per_epoch)
    require_schedule("scheduler", scheduler)
    if not isinstance(scheduler, Scheduler):
        return None
    parts = {name: part for name, part in scheduler.parts.items() if not isinstance(part, FeedbackBetaScheduler)}
    said = [_part_warning(name, part, epochs, steps) for name, part in parts.items()]
    return " ".join(filter(None, said)) or None


def _part_warning(name: str, part: BetaScheduler, epochs: int, steps: int) -> str | None:
    (low, high), final = part.bounds, part.final
    if high == math.inf:
        return None

    def close(value: float) -> bool:
        return abs(final - value) <= _TOLERANCE * (high - low) * (1 + 1e-9)  # the last bits are rounding

    def ends_well(length: int) -> bool:
        return close(part(length - 1 / steps))

    if ends_well(epochs):
        return None
    length = _run_length(part, epochs, ends_well)
    train = "" if length is None else f"train for {_epochs(length)} or "
    end = f"{name} ends at {part(epochs - 1 / steps):.3g} after {_epochs(epochs)}, away from its"
    if final < high:
        return f"{end} final value {final:.3g}: {train}let it come there earlier."
    reached = float(max(evaluate(part, [step / steps for step in range(epochs * steps)])))
    if close(reached):
        return f"{end} highest value {high:.3g}: {train}choose a schedule that ends at the top."
    end = f"{name} comes to {reached:.3g} at most in {_epochs(epochs)}, not to its highest value {high:.3g}"
    return f"{end}: {train}let it rise faster."


def _epochs(number: int) -> str:
    return f"{number} epoch{'s' if number > 1 else ''}"


def _run_length(part: BetaScheduler, epochs: int, ends_well: Callable[[int], bool]) -> int | None:
    """Returns the length nearest to `epochs` with which the run ends well; the whole rise where that is ahead."""
    rise = math.ceil(getattr(part, "warmup_end", 0))
    candidates = [rise, rise + 1] if rise > epochs else []
    candidates += [length for away in range(1, _SEARCH) for length in (epochs + away, epochs - away) if length > 0]
    return next((length for length in candidates if ends_well(length)), None)
