"""MIG, SAP and DCI against their definitions worked out slowly, and against what disentanglement_lib's give."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.ensemble import GradientBoostingClassifier

from vaelib.metrics import (
    dci_scores,
    factor_information,
    importance_disentanglement,
    mutual_information_gap,
    sap_score,
)


def codes(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Codes of five units that mix three factors with noise; fixed arrays, the same everywhere."""
    rng = np.random.default_rng(seed)
    factors = np.stack([rng.integers(k, size=n) for k in (3, 4, 2)], axis=1)
    mixing = np.array([[1.0, 0.0, 0.0, 0.5, 0.0], [0.0, 0.8, 0.0, 0.5, 0.0], [0.0, 0.3, 1.5, 0.0, 0.0]])
    return (factors @ mixing + rng.normal(0.0, 0.4, (n, 5))).astype("float32"), factors


Z, FACTORS = codes(400, 0)
Z_TEST, FACTORS_TEST = codes(200, 1)
TEST = {"z_mean_test": Z_TEST, "factors_test": FACTORS_TEST}
DCI = dci_scores(Z, FACTORS, Z_TEST, FACTORS_TEST)


def test_the_published_definitions_give_these_numbers() -> None:
    """The functions of disentanglement_lib, run on these arrays under scikit-learn 1.9."""
    assert mutual_information_gap(Z, FACTORS) == pytest.approx(0.567556, abs=1e-5)
    assert sap_score(Z, FACTORS, **TEST) == pytest.approx(0.233333, abs=1e-5)
    assert sap_score(Z, FACTORS, continuous=True) == pytest.approx(0.548183, abs=1e-5)
    assert DCI[:4] == pytest.approx((0.69285, 0.63116, 1.0, 0.86), abs=0.01)  # between its seeds they differ by 0.005
    assert factor_information(Z, FACTORS)[3] == pytest.approx([0.198887, 0.324783, 0.014214], abs=1e-5)


# ---------------------------------------------------------------- mutual information gap


def information(first: list[int], second: list[int]) -> float:
    n, pairs = len(first), Counter(zip(first, second, strict=True))
    rows, columns = Counter(first), Counter(second)
    return sum(c / n * math.log(c * n / (rows[a] * columns[b])) for (a, b), c in pairs.items())


def bin_of(value: float, values: list[float], bins: int) -> int:
    width = (max(values) - min(values)) / bins
    return min(math.floor((value - min(values)) / width), bins - 1)


@pytest.mark.parametrize("bins", [2, 7, 20])
def test_information_and_gap_by_counting(bins: int) -> None:
    units, gaps = Z.astype("float64"), []
    for j in range(FACTORS.shape[1]):
        factor = FACTORS[:, j].tolist()
        known = []
        for unit in units.T.tolist():
            known.append(information([bin_of(value, unit, bins) for value in unit], factor))
        np.testing.assert_allclose(factor_information(units, FACTORS, bins)[:, j], known, atol=1e-12)
        known.sort()
        gaps.append((known[-1] - known[-2]) / information(factor, factor))
    assert mutual_information_gap(units, FACTORS, bins) == pytest.approx(sum(gaps) / len(gaps), abs=1e-12)


def test_a_gap_by_hand() -> None:
    """Unit 0 tells the factor's two halves, ln 2 of ln 4; unit 1 tells all of it."""
    factor = np.arange(4)[:, np.newaxis]
    z_mean = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 2.0], [1.0, 3.0]])
    np.testing.assert_allclose(factor_information(z_mean, factor), [[math.log(2)], [math.log(4)]])
    assert mutual_information_gap(z_mean, factor) == pytest.approx(0.5)
    assert mutual_information_gap(z_mean, factor, bins=2) == pytest.approx(0.0)


def test_edges_of_bins_belong_to_the_bin_above_and_the_largest_value_to_the_last() -> None:
    unit = [0.0, 0.5, 1.0]  # two bins: [0, 0.5), [0.5, 1]
    z_mean = np.stack([unit, np.zeros(3)], axis=1)
    assert mutual_information_gap(z_mean, [[0], [1], [1]], bins=2) == pytest.approx(1.0)
    assert mutual_information_gap(z_mean, [[0], [0], [1]], bins=2) < 0.3


def test_bins_are_those_of_a_histogram() -> None:
    for unit in Z.T:
        edges = np.histogram(unit, 20)[1]
        assert np.array_equal(edges, np.linspace(unit.min(), unit.max(), 21, dtype=unit.dtype))


def test_a_collapsed_unit_tells_nothing_even_where_float32_ends() -> None:
    constant, almost = np.full(400, 0.3, "float32"), np.full(400, 0.3, "float32")
    almost[0] = np.nextafter(almost[0], np.float32(1))
    found = factor_information(np.stack([constant, almost, Z[:, 0]], axis=1), FACTORS)
    assert found[0].tolist() == [0, 0, 0]
    assert np.all(found[1] < 0.01)


def test_scores_do_not_depend_on_units_of_z_nor_on_names_of_classes() -> None:
    score = mutual_information_gap(Z.astype("float64"), FACTORS)
    assert mutual_information_gap(Z * 4.0 - 8.0, FACTORS * 10 - 5) == pytest.approx(score, abs=1e-3)
    assert mutual_information_gap(Z[:, ::-1].astype("float64"), FACTORS[:, ::-1]) == pytest.approx(score)
    assert mutual_information_gap(Z.astype("float64"), FACTORS == 1) > 0


def test_information_of_strangers_is_the_bias_that_the_docstring_names() -> None:
    rng = np.random.default_rng(0)
    found = factor_information(rng.random((2000, 40)), rng.integers(6, size=(2000, 10)))
    assert found.mean() == pytest.approx(19 * 5 / 4000, rel=0.05)


# ---------------------------------------------------------------- separated attribute predictability


def svm_accuracy(unit: np.ndarray, classes: np.ndarray, unit_test: np.ndarray, classes_test: np.ndarray) -> float:
    """One against the rest, squared hinge, C = 0.01 over the balance of classes, the offset penalised too."""
    names = np.unique(classes)
    weights = {name: len(classes) / (len(names) * np.sum(classes == name)) for name in names}

    def fit(is_class: np.ndarray, costs: np.ndarray) -> Any:
        def loss(line: np.ndarray) -> float:
            margins = np.where(is_class, 1, -1) * (line[0] * unit + line[1])
            return float(0.5 * line @ line + 0.01 * np.sum(costs * np.maximum(0, 1 - margins) ** 2))

        return minimize(loss, np.zeros(2), tol=1e-10).x

    if len(names) == 2:
        slope, offset = fit(classes == names[1], np.vectorize(weights.get)(classes))
        predicted = names[(slope * unit_test + offset > 0).astype(int)]
    else:  # the rest weighs 1
        lines = [fit(classes == name, np.where(classes == name, weights[name], 1.0)) for name in names]
        predicted = names[np.argmax([slope * unit_test + offset for slope, offset in lines], axis=0)]
    return float(np.mean(predicted == classes_test))


def rare(factors: np.ndarray) -> np.ndarray:
    """Factors whose classes are unequal: one with a sixth of the examples, one with three quarters."""
    both = factors[:, 0] * 2 + factors[:, 2]
    return np.stack([both == 0, np.digitize(both + 6 * factors[:, 1], [2, 20])], axis=1).astype(int)


@pytest.mark.parametrize("of", [lambda factors: factors, rare])
def test_sap_by_minimising_the_machines_loss(of: Callable[[np.ndarray], np.ndarray]) -> None:
    factors, factors_test, gaps = of(FACTORS), of(FACTORS_TEST), []
    for j in range(factors.shape[1]):
        args = [(Z[:, i], factors[:, j], Z_TEST[:, i], factors_test[:, j]) for i in range(Z.shape[1])]
        scores = sorted(svm_accuracy(*(np.asarray(a, "float64") for a in each)) for each in args)
        gaps.append(scores[-1] - scores[-2])
    assert sap_score(Z, factors, Z_TEST, factors_test) == pytest.approx(np.mean(gaps), abs=1e-3)


def test_sap_by_hand() -> None:
    """Unit 0 is the factor, unit 1 is nothing: every example 0 or every example 1, right for one half."""
    z_mean, factors = np.array([[-9.0, 0.0], [9.0, 0.0]] * 5), np.array([[0], [1]] * 5)
    assert sap_score(z_mean, factors, z_mean, factors) == pytest.approx(0.5)
    assert sap_score(z_mean[:, [0, 0]], factors, z_mean[:, [0, 0]], factors) == 0
    assert sap_score(z_mean, factors, -z_mean, factors) == pytest.approx(0.5)  # 0 right against half: accuracy, no fit


def test_a_class_that_training_lacks_counts_as_wrong() -> None:
    z_mean, factors = np.array([[-9.0, 0.0], [9.0, 0.0]] * 5), np.array([[0], [1]] * 5)
    assert sap_score(z_mean, factors, z_mean[:1], [[0]]) + sap_score(z_mean, factors, z_mean[1:2], [[1]]) == 1.0
    assert sap_score(z_mean, factors, z_mean[:1], [[2]]) == 0.0


def test_continuous_sap_is_a_gap_of_squared_correlations() -> None:
    gaps = []
    for factor in FACTORS.T:
        scores = sorted(np.corrcoef(unit, factor)[0, 1] ** 2 for unit in Z.T.astype("float64"))
        gaps.append(scores[-1] - scores[-2])
    assert sap_score(Z, FACTORS, continuous=True) == pytest.approx(np.mean(gaps), abs=1e-9)


def test_continuous_sap_takes_real_factors_and_constant_units() -> None:
    z_mean = np.array([[0.0, 3.0, 1.0], [1.0, 3.0, -1.0], [2.0, 3.0, 1.0], [3.0, 3.0, -1.0]])
    heights = 0.5 * z_mean[:, :1] - 2.0
    assert sap_score(z_mean[:, :2], heights, continuous=True) == pytest.approx(1.0)
    assert sap_score(z_mean, heights, continuous=True) == pytest.approx(1 - 0.2)  # of units 0 and 2 the r² is 1/5
    nearly = z_mean * [1.0, 1.0, 1e-7]  # a variance of 1.3e-14
    assert sap_score(nearly, heights, continuous=True) == pytest.approx(1.0)


# ---------------------------------------------------------------- disentanglement, completeness, informativeness


def entropy(shares: list[float], base: int) -> float:
    return -sum(share * math.log(share, base) for share in shares if share > 0)


def concentration(rows: list[list[float]]) -> float:
    total = sum(map(sum, rows))
    kept = [row for row in rows if sum(row) > 0]
    return sum(sum(row) / total * (1 - entropy([r / sum(row) for r in row], len(row))) for row in kept)


def test_importances_that_rounding_took_below_zero_count_as_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = GradientBoostingClassifier.feature_importances_.fget
    rounded = property(lambda trees: np.where(exact(trees) < 0.01, -8e-18, exact(trees)))
    monkeypatch.setattr(GradientBoostingClassifier, "feature_importances_", rounded)
    found = dci_scores(Z, FACTORS, Z_TEST, FACTORS_TEST)
    assert found.importance.min() == 0.0
    assert 0 <= found.disentanglement <= 1


def test_dci_step_by_step() -> None:
    rows = DCI.importance.tolist()
    assert DCI.disentanglement == pytest.approx(concentration(rows), abs=1e-8)
    assert DCI.completeness == pytest.approx(concentration([list(column) for column in zip(*rows, strict=True)]))
    train, test = [], []
    for j in range(FACTORS.shape[1]):
        trees = GradientBoostingClassifier(random_state=0).fit(Z, FACTORS[:, j])
        np.testing.assert_allclose(DCI.importance[:, j], trees.feature_importances_, atol=1e-12)
        train.append(np.mean(trees.predict(Z) == FACTORS[:, j]))
        test.append(np.mean(trees.predict(Z_TEST) == FACTORS_TEST[:, j]))
    assert DCI.informativeness_train == pytest.approx(np.mean(train))
    assert DCI.informativeness_test == pytest.approx(np.mean(test))


def test_threads_change_nothing() -> None:
    again = dci_scores(Z, FACTORS, **TEST, n_jobs=2)
    assert again[:4] == DCI[:4]
    np.testing.assert_array_equal(again.importance, DCI.importance)


@pytest.mark.parametrize(
    ("importance", "expected"),
    [
        ([[1.0, 0.0], [0.0, 1.0]], (1.0, 1.0)),
        ([[1.0, 1.0], [1.0, 1.0]], (0.0, 0.0)),
        ([[0.0, 0.0], [0.0, 0.0]], (0.0, 0.0)),
        ([[0.5, 0.0], [0.5, 0.0], [0.0, 1.0]], (1.0, 1 - 0.5 * math.log(2, 3))),  # two units share factor 0
        ([[1.0, 1.0], [0.0, 0.0]], (0.0, 1.0)),  # one unit holds both factors
        ([[3.0, 1.0], [0.0, 4.0]], (1 - 0.5 * entropy([0.75, 0.25], 2), 1 - 5 / 8 * entropy([0.2, 0.8], 2))),
    ],
)
def test_importances_by_hand(importance: list[list[float]], expected: tuple[float, float]) -> None:
    matrix = np.array(importance)
    assert (importance_disentanglement(matrix), importance_disentanglement(matrix.T)) == pytest.approx(
        expected, abs=1e-8
    )
    assert importance_disentanglement(7 * matrix) == pytest.approx(expected[0], abs=1e-8)


# ---------------------------------------------------------------- bad input

ALL = {
    "MIG": mutual_information_gap,
    "information": factor_information,
    "SAP": lambda z_mean, factors: sap_score(z_mean, factors, **TEST),
    "continuous SAP": lambda z_mean, factors: sap_score(z_mean, factors, continuous=True),
    "DCI": lambda z_mean, factors: dci_scores(z_mean, factors, **TEST),
}
HOLED = Z.copy()
HOLED[2, 1] = np.nan
ONE_VALUE = FACTORS.copy()
ONE_VALUE[:, 1] = 3

BAD = {
    "NaN in codes": ((HOLED, FACTORS), "`z_mean` must hold only finite numbers. .* 1 value that is NaN"),
    "text for codes": (("codes", FACTORS), "`z_mean` must hold real numbers"),
    "a vector of codes": ((Z[:, 0], FACTORS), r"`z_mean` must have the shape \(n, latent_dim\)"),
    "one example": ((Z[:1], FACTORS[:1]), "`z_mean` must hold two examples or more, of two latent units or more"),
    "one unit": ((Z[:, :1], FACTORS), "`z_mean` must hold two examples or more, of two latent units or more"),
    "mismatched lengths": ((Z[:-1], FACTORS), "`factors` must have one row for each of the 399 examples"),
    "a vector of factors": ((Z, FACTORS[:, 0]), r"`factors` must have the shape \(n, k\)"),
    "no factor": ((Z, FACTORS[:, :0]), "`factors` must not be empty"),
    "a factor with one value": (
        (Z, ONE_VALUE),
        "`factors` must take two values or more in each column. Received: factors=an array whose column 1 holds only 3",
    ),
    "NaN in factors": ((Z, np.where(FACTORS == 2, np.nan, FACTORS)), "`factors` must hold only finite numbers"),
    "no factors": ((Z, None), "`factors` must hold real numbers"),
}


@pytest.mark.parametrize("measure", ALL.values(), ids=ALL)
@pytest.mark.parametrize(("arguments", "message"), BAD.values(), ids=BAD)
def test_codes_and_factors_that_cannot_be_scored(
    arguments: tuple[Any, Any], message: str, measure: Callable[..., Any]
) -> None:
    with pytest.raises(ValueError, match=f"^Argument {message}") as caught:
        measure(*arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("measure", [measure for name, measure in ALL.items() if name != "continuous SAP"])
def test_factors_that_are_no_integers(measure: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match="`factors` must hold integers, .* Received: factors=an array of dtype float"):
        measure(Z, FACTORS + 0.5)


@pytest.mark.parametrize("measure", [sap_score, dci_scores])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"z_mean_test": None}, "`z_mean_test` must be given"),
        ({"factors_test": None}, "`factors_test` must be given"),
        ({"z_mean_test": HOLED[:200]}, "`z_mean_test` must hold only finite numbers"),
        ({"z_mean_test": Z_TEST[:, 1:]}, "`z_mean_test` must have 5 columns, as `z_mean` has"),
        ({"factors_test": FACTORS_TEST[:, 1:]}, "`factors_test` must have 3 columns, as `factors` has"),
        ({"factors_test": FACTORS_TEST[1:]}, "`factors_test` must have one row for each of the 200 examples"),
        ({"factors_test": FACTORS_TEST / 2}, "`factors_test` must hold integers"),
    ],
)
def test_bad_test_examples(change: dict[str, Any], message: str, measure: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match=f"^Argument {message}"):
        measure(Z, FACTORS, **(TEST | change))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mutual_information_gap(Z, FACTORS, bins=1), "`bins` must be an integer >= 2"),
        (lambda: mutual_information_gap(Z, FACTORS, bins=20.0), "`bins` must be an integer >= 2"),
        (lambda: factor_information(Z, FACTORS, bins=True), "`bins` must be an integer >= 2"),
        (lambda: sap_score(Z, FACTORS, **TEST, continuous=1), "`continuous` must be True or False"),
        (lambda: sap_score(Z, FACTORS, **TEST, continuous=True), "`z_mean_test` must be left out"),
        (
            lambda: sap_score(Z, FACTORS, factors_test=FACTORS, continuous=True),
            "`factors_test` must be left out",
        ),
        (lambda: dci_scores(Z, FACTORS[:, :1], Z_TEST, FACTORS_TEST), "`factors` must have two columns or more"),
        (lambda: dci_scores(Z, FACTORS, **TEST, n_jobs=0), "`n_jobs` must be an integer >= 1"),
        (lambda: dci_scores(Z, FACTORS, **TEST, n_jobs=True), "`n_jobs` must be an integer >= 1"),
        (lambda: importance_disentanglement([1.0, 2.0]), r"`importance` must have the shape \(latent_dim, k\)"),
        (lambda: importance_disentanglement([[1.0], [2.0]]), "`importance` must have two columns or more"),
        (lambda: importance_disentanglement([[1.0, -2.0]]), "`importance` must hold no number below 0"),
        (lambda: importance_disentanglement([[1.0, np.inf]]), "`importance` must hold only finite numbers"),
    ],
)
def test_bad_settings(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^Argument {message}"):
        call()
