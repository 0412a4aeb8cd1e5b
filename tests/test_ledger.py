"""The claims ledger: the list of claims is complete in itself, and verdicts follow from intervals and effects."""

from __future__ import annotations

import ledger
import numpy as np
import pandas as pd
import pytest
from test_promises import LINES

CLAIMS = ledger.claims()


def claim(**changes: str) -> ledger.Claim:
    known = {"id": "X1", "document": "", "lines": "1", "claim": "It helps.", "chapter": "", "evidence": "runs"}
    known |= {"of": "new", "against": "old", "measure": "kl", "holds": "<", "smallest_effect": "0.5"}
    return ledger.Claim(**known | changes)


def table(effect: float, spread: float = 0.01, **settings: str) -> pd.DataFrame:
    old = np.arange(6.0, 14.0)
    new = old + effect + spread * np.linspace(-1, 1, 8)
    rows = {"variant": ["old"] * 8 + ["new"] * 8, "seed": [*range(8)] * 2, "kl": np.concatenate([old, new])}
    return pd.DataFrame(rows).assign(**settings)[[*settings, *rows]]


def test_there_are_claims_of_each_document_on_its_lines() -> None:
    assert len(CLAIMS) >= 40
    assert {each.document for each in CLAIMS} == set(LINES)
    assert len({each.id for each in CLAIMS}) == len({each.claim for each in CLAIMS}) == len(CLAIMS)
    for each in CLAIMS:
        for part in each.lines.split(","):
            first, _, last = part.partition("-")
            assert 1 <= int(first) <= int(last or first) <= LINES[each.document], each


def test_what_would_make_a_claim_true_is_said() -> None:
    for each in CLAIMS:
        assert each.claim.endswith(".")
        assert each.predicate
        assert each.holds in "<>="
        effect = float(each.smallest_effect)
        assert effect > 0 or (effect == 0 and each.level is not None), each


@pytest.mark.parametrize(("changes", "words"), [
    ({}, "test KL, nats per example: “new” below that of “old” by more than 0.5"),
    ({"against": "5", "smallest_effect": "0"}, "test KL, nats per example: “new” below 5"),
    ({"holds": "="}, "test KL, nats per example: “new” within 0.5 of that of “old”"),
])  # fmt: skip
def test_predicates_in_words(changes: dict[str, str], words: str) -> None:
    assert claim(**changes).predicate == words


@pytest.mark.parametrize(("effect", "spread", "holds", "verdict"), [
    (-1.0, 0.01, "<", "holds"),
    (1.0, 0.01, "<", "does not hold"),
    (-0.1, 0.01, "<", "no practical difference"),
    (-0.5, 3.0, "<", "cannot tell at this size"),
    (1.0, 0.01, ">", "holds"),
    (-1.0, 0.01, ">", "does not hold"),
    (0.0, 0.01, "=", "holds"),
    (1.0, 0.01, "=", "does not hold"),
    (0.5, 0.5, "=", "cannot tell at this size"),
])  # fmt: skip
def test_verdicts(effect: float, spread: float, holds: str, verdict: str) -> None:
    (row,) = ledger.judged([claim(holds=holds)], table(effect, spread)).to_dict("records")
    assert (row["verdict"], row["seeds"], row["setting"]) == (verdict, 8, "")
    assert row["low"] < row["effect"] < row["high"]


def test_a_level_is_a_number_to_compare_with() -> None:
    (row,) = ledger.judged([claim(against="20", smallest_effect="0")], table(0.0)).to_dict("records")
    assert (row["verdict"], round(row["effect"])) == ("holds", -10)


def test_settings_are_judged_apart_and_share_their_confidence() -> None:
    both = pd.concat([table(-1.0, 0.3, data="digits"), table(0.0, 0.3, data="sprites")])
    rows = ledger.judged([claim()], both)
    assert rows["setting"].tolist() == ["digits", "sprites"]
    assert ledger.overall(rows["verdict"].tolist(), rows["setting"].tolist()) == "holds if digits"
    alone = ledger.judged([claim()], table(-1.0, 0.3)).iloc[0]
    assert rows["high"][0] - rows["low"][0] > 1.1 * (alone["high"] - alone["low"])


def test_settings_are_said_in_words() -> None:
    (row,) = ledger.judged([claim()], table(-1.0, data="digits", latent_dim=16, epochs=60)).to_dict("records")
    assert row["setting"] == "digits, 16 units, 60 epochs"


@pytest.mark.parametrize(("changes", "numbers", "words"), [
    ({}, (-1.23456, -2.0, -0.5), "digits: −1.23 (−2 to −0.5)"),
    ({}, (-1.6e-6, -2.5e-5, 12.3456), "digits: 0 (0 to 12.3)"),
    ({"smallest_effect": "1e-7"}, (-4.1e-9, -7.93e-9, 1.23456e-6), "digits: −4e−09 (−8e−09 to 1.23e−06)"),
    ({"against": "5", "smallest_effect": "0"}, (-1.5, -2.0, 0.125), "digits: 3.5 (3 to 5.12)"),
])  # fmt: skip
def test_what_was_measured_in_words(changes: dict[str, str], numbers: tuple[float, ...], words: str) -> None:
    """The effect, or the value itself beside a number; no digits that do not matter."""
    row = {"setting": "digits", **dict(zip(("effect", "low", "high"), numbers, strict=True))}
    assert claim(**changes).measured(row) == words


@pytest.mark.parametrize("changes", [{"of": "none"}, {"against": "none"}, {"measure": "gap"}])
def test_what_the_evidence_lacks_is_named(changes: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"^Claim X1: evidence/runs.csv has no (kl|gap) of '(none|new)'"):
        ledger.judged([claim(**changes)], table(0.0))


@pytest.mark.parametrize(("verdicts", "said"), [
    (["holds", "holds"], "holds"),
    (["holds", "does not hold", "holds"], "holds if a or c"),
    (["does not hold", "no practical difference"], "does not hold"),
    (["no practical difference", "no practical difference"], "no practical difference"),
    (["cannot tell at this size", "does not hold"], "cannot tell at this size"),
    (["cannot tell at this size", "does not hold", "no practical difference"], "does not hold"),
])  # fmt: skip
def test_one_verdict_from_several_settings(verdicts: list[str], said: str) -> None:
    assert ledger.overall(verdicts, ["a", "b", "c"][: len(verdicts)]) == said


def test_settings_of_two_words_are_told_apart() -> None:
    assert ledger.overall(["holds", "holds", "does not hold"], ["a, 4", "b, 4", "a, 9"]) == "holds if a, 4; or b, 4"
