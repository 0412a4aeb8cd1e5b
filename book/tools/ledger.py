"""The claims ledger: what the documents say that can be true or false, and what the evidence says of it.

`book/claims.csv` lists the claims with what would make each true, written down before the experiments were run. The
verdicts are computed from the tables in `evidence/` and from nothing else.

Usage: python book/tools/ledger.py [CHAPTER] prints claims and verdicts.
"""

from __future__ import annotations

import csv
import functools
import math
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from evidence import EVIDENCE, ROOT
from vaelib import paired_differences
from vaelib.statistics import VERDICTS

CLAIMS = ROOT / "book" / "claims.csv"
CONFIDENCE = 0.95  # of all intervals from one table together
HOLDS, FALSE, (SAME, OPEN) = "holds", "does not hold", VERDICTS[2:]
MEASURES = {
    "alive": "share of trainings with an active unit",
    "beta_kl_correlation": "correlation of β with the KL over the epochs",
    "distance_to_epochs": "mean distance of β from the table's epoch column",
    "epochs_to_best": "epochs until the validation negative ELBO is within a nat of its lowest",
    "exploration": "range of the validation KL after the first ascent, nats per example",
    "gap": "negative ELBO on test less that on training data, nats per example",
    "global_kl": "KL of the global units, nats per example",
    "highest_kl": "highest validation KL of the training, nats per unit",
    "kl": "test KL, nats per example",
    "kl_drift": "growth of the validation KL over the last fifth of the training, as a share",
    "largest_late_step": "largest change of the validation loss between epochs after the first ones, nats per example",
    "last_beta": "β at the end",
    "loss_after_restart": "validation loss after a restart less that before, nats per example",
    "mutual_information_gap": "mutual information gap",
    "nearest_label": "share of test codes whose nearest training code has the same label",
    "negative_elbo": "test negative ELBO at β = 1, nats per example",
    "outside": "share of test log-variances outside [−20, 2]",
    "prior_distance": "KL from the codes' mean and variance to the prior, nats per example",
    "rate_range": "range of the validation KL in the last half of the training, nats per example",
    "reconstruction": "test reconstruction loss, nats per example",
    "reconstruction_after_restart": "validation reconstruction loss after a restart less that before, nats per example",
    "reconstruction_rises": "share of epochs in which the validation reconstruction loss rises by over 1 %",
    "relative_error": "error of float32 relative to float64",
    "rises": "share of epochs in which the reconstruction error rises by over 1 %",
    "sample_distance": "distance of test data from the nearest sample, in units of that from other data",
    "spread": "distance of the test negative ELBO from the median over seeds, nats per example",
    "squared_error": "test squared error per pixel",
    "swing": "swing of the validation loss within a cycle, nats per example",
    "total_rises": "share of epochs in which the validation total loss rises by over 1 %",
    "unsteadiness": "mean change of the validation loss between epochs of the last half, as a share of its mean",
    "val_reconstruction_loss": "validation reconstruction loss at the end, in the document's unit",
    "training_kl_epoch_2": "training KL of the second epoch, nats per example",
    "value": "KL",
}
SETTINGS = {"latent_dim": "{} units", "epochs": "{} epochs", "ranges": "{} ranges"}  # how a setting's value is said


@dataclass(frozen=True)
class Claim:
    """A claim: a measure of one variant less that of another, or less a number, is below (<), above (>) or near (=) 0.

    It must be so by more than the smallest effect that matters, for "=" by less.
    """

    id: str
    document: str
    lines: str
    claim: str
    chapter: str
    evidence: str
    of: str
    against: str
    measure: str
    holds: str
    smallest_effect: str

    @property
    def level(self) -> float | None:
        """The number that the measure is compared with; None where it is another variant's."""
        try:
            return float(self.against)
        except ValueError:
            return None

    @property
    def predicate(self) -> str:
        """What must be so, in words."""
        than = f"that of “{self.against}”" if self.level is None else f"{self.level:g}".replace("-", "−")
        effect = f"{float(self.smallest_effect):g}"
        what = f"{MEASURES[self.measure]}: “{self.of}”"
        if self.holds == "=":
            return f"{what} within {effect} of {than}"
        by = "" if effect == "0" else f" by more than {effect}"
        return f"{what} {'below' if self.holds == '<' else 'above'} {than}{by}"

    def measured(self, row: Mapping[Any, Any]) -> str:
        """Returns what the ledger says of this claim in a setting: the effect, or the measure beside a number.

        Three digits are kept, and none below a hundredth of the smallest effect that matters.
        """
        value, low, high = (
            _rounded(row[name] + (self.level or 0.0), float(self.smallest_effect)) for name in ("effect", "low", "high")
        )
        setting = f"{row['setting']}: " if row["setting"] else ""
        return f"{setting}{value} ({low} to {high})"


def _rounded(value: float, effect: float) -> str:
    text = f"{value:.3g}"
    if effect:
        places = 2 - math.floor(math.log10(effect))
        if abs(value) < 10.0 ** (3 - places):
            text = f"{round(value, places) + 0.0:g}"  # + 0.0 makes 0 of -0
    return text.replace("-", "−")


@functools.cache
def claims() -> tuple[Claim, ...]:
    """Returns all claims, in the file's order."""
    with CLAIMS.open(encoding="utf-8", newline="") as file:
        return tuple(Claim(**row) for row in csv.DictReader(file))


@functools.cache
def ledger(chapter: str | None = None) -> pd.DataFrame:
    """Returns a row for each claim and setting of a chapter, or of all: `id`, `setting`, `seeds`, `effect`, `verdict`.

    `low` and `high` is the interval of the effect. All intervals that come from one table hold together.

    Raises:
        ValueError: if a table is missing, or a variant or measure in it.
    """
    chosen = [claim for claim in claims() if chapter in (None, claim.chapter)]
    parts = []
    for name in dict.fromkeys(claim.evidence for claim in chosen):
        path = EVIDENCE / f"{name}.csv"
        if not path.is_file():
            raise ValueError(f"evidence/{name}.csv is missing. Run `make evidence`.")
        parts.append(judged([claim for claim in chosen if claim.evidence == name], pd.read_csv(path)))
    order = {claim.id: place for place, claim in enumerate(chosen)}
    rows = pd.concat(parts, ignore_index=True)
    return rows.sort_values("id", key=lambda ids: ids.map(order), kind="stable", ignore_index=True)


def judged(claims: Sequence[Claim], table: pd.DataFrame) -> pd.DataFrame:
    """Returns a row for each claim on one table and each of its settings, which are the columns before `variant`."""
    settings = list(table.columns[: table.columns.get_loc("variant")])
    groups = list(table.groupby(settings, sort=False)) if settings else [((), table)]
    confidence = 1 - (1 - CONFIDENCE) / (len(claims) * len(groups))  # Bonferroni
    rows = []
    for claim in claims:
        for values, members in groups:
            found = _difference(claim, members, confidence)
            row = {
                "id": claim.id,
                "setting": ", ".join(
                    SETTINGS.get(name, "{}").format(value) for name, value in zip(settings, values, strict=True)
                ),
                "seeds": found["pairs"],
                "effect": found["difference"],
                "low": found["low"],
                "high": found["high"],
            }
            verdict = verdict_of(claim.holds, float(claim.smallest_effect), row["low"], row["high"])
            rows.append({**row, "verdict": verdict})
    return pd.DataFrame(rows)


def _difference(claim: Claim, members: pd.DataFrame, confidence: float) -> pd.Series:
    one, other = (members[members["variant"] == name] for name in (claim.of, claim.against))
    if claim.level is not None:
        other = one.assign(**{claim.measure: claim.level})
    for name, rows in ((claim.of, one), (claim.against, other)):
        if rows.empty or claim.measure not in rows:
            raise ValueError(f"Claim {claim.id}: evidence/{claim.evidence}.csv has no {claim.measure} of {name!r}.")
    both = pd.concat([one.assign(schedule="of"), other.assign(schedule="against")], ignore_index=True)
    effect = float(claim.smallest_effect)
    return paired_differences(both, claim.measure, "against", smallest_effect=effect, confidence=confidence).iloc[0]


def verdict_of(holds: str, effect: float, low: float, high: float) -> str:
    """Returns what an interval says of a claim.

    It holds if the whole interval is beyond the smallest effect on the claimed side, or for "=" within it. What lies
    wholly within it makes no practical difference. It does not hold if no part of the interval is where it must be.

    >>> [verdict_of("<", 0.5, *ends) for ends in ((-3, -1), (-3, 0), (-0.2, 0.3), (-0.2, 3))]
    ['holds', 'cannot tell at this size', 'no practical difference', 'does not hold']
    """
    if not low <= high:  # fewer than two seeds
        return OPEN
    within, beyond = -effect <= low and high <= effect, low > effect or high < -effect
    if holds == "=":
        return HOLDS if within else FALSE if beyond else OPEN
    if holds == ">":
        low, high = -high, -low
    if high < -effect:
        return HOLDS
    if within and effect > 0:
        return SAME
    return FALSE if low >= -effect else OPEN


def overall(verdicts: Sequence[str], settings: Sequence[str]) -> str:
    """Returns the verdict on a claim from those in its settings.

    It holds where it holds. If that is nowhere, nothing can be told when half of the settings leave it open; otherwise
    one setting that contradicts it is enough.

    >>> overall(["holds", "cannot tell at this size"], ["digits", "sprites"])
    'holds if digits'
    >>> overall(["no practical difference", "does not hold"], ["a", "b"])
    'does not hold'
    >>> overall(["cannot tell at this size", "does not hold"], ["a", "b"])
    'cannot tell at this size'
    """
    counts = Counter(verdicts)
    if counts[HOLDS] == len(verdicts):
        return HOLDS
    if counts[HOLDS]:
        where = [setting for setting, verdict in zip(settings, verdicts, strict=True) if verdict == HOLDS]
        between = "; or " if any("," in setting for setting in where) else " or "
        return f"{HOLDS} if {between.join(where)}"
    if 2 * counts[OPEN] >= len(verdicts):
        return OPEN
    return FALSE if counts[FALSE] else SAME


def verdict_on(claim: Claim, rows: pd.DataFrame) -> str:
    """Returns the verdict on a claim from its rows in the ledger."""
    own = rows[rows["id"] == claim.id]
    return overall(own["verdict"].tolist(), own["setting"].tolist())


def main(chapter: str | None = None) -> None:
    """Prints the ledger."""
    rows = ledger(chapter)
    for claim in claims():
        own = rows[rows["id"] == claim.id]
        if own.empty:
            continue
        print(f"{claim.id} {claim.claim} [{claim.predicate}]")
        print(f"  {verdict_on(claim, rows)}")
        for row in own.to_dict("records"):
            print(f"    {claim.measured(row)}, {row['seeds']} seeds: {row['verdict']}")


if __name__ == "__main__":
    main(*sys.argv[1:2])
