"""How far each factor of the data has a latent unit of its own: MIG, SAP and DCI, as disentanglement_lib defines them.

Implementations of these scores differ (bins, classifiers, what is divided by what), and so do their numbers. These
follow Locatello et al. 2019, arXiv 1811.12359, and the library published with it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vaelib._arrays import Array, finite_array
from vaelib._checks import Described, argument_error, boolean, positive_int
from vaelib.metrics._factors import codes_and_factors, held_out

Matrix = npt.NDArray[np.float64]

_SVM_C = 0.01
_NO_VARIANCE = 1e-12  # below it a unit counts as constant in SAP's correlation
_SMOOTHING = 1e-11  # added to every importance before its entropy is taken


class DciScores(NamedTuple):
    """The three scores of `dci_scores`, each from 0 to 1, and the importances (latent_dim, k) behind the first two."""

    disentanglement: float
    completeness: float
    informativeness_train: float
    informativeness_test: float
    importance: npt.NDArray[np.float64]


def factor_information(z_mean: npt.ArrayLike, factors: npt.ArrayLike, bins: int = 20) -> Matrix:
    """Returns the mutual information of each latent unit with each factor, in nats, shape (latent_dim, k).

    Each unit is cut into `bins` intervals of equal width between its smallest and its largest value, and the
    information is that of the counts. It is too high for few examples: by about (bins − 1)(classes − 1) / 2n nats for
    a unit that has nothing to do with the factor.

    Args:
        z_mean: posterior means, shape (n, latent_dim), n >= 2, latent_dim >= 2.
        factors: the classes of each example's factors, integers of shape (n, k), two classes or more in each column.
        bins: >= 2.

    Raises:
        ValueError: if an argument is not so.

    >>> factor_information([[0.0, 1.0], [1.0, 1.0]], [[0], [1]]).round(3).tolist()
    [[0.693], [0.0]]
    """
    from sklearn.metrics import mutual_info_score

    means, classes = codes_and_factors(z_mean, factors)
    bins = positive_int("bins", bins, minimum=2)
    edges = [np.linspace(unit.min(), unit.max(), bins + 1, dtype=unit.dtype) for unit in means.T]
    binned = [np.digitize(unit, cuts[:-1]) for unit, cuts in zip(means.T, edges, strict=True)]
    return np.array([[mutual_info_score(factor, unit) for factor in classes.T] for unit in binned], dtype=np.float64)


def mutual_information_gap(z_mean: npt.ArrayLike, factors: npt.ArrayLike, bins: int = 20) -> float:
    r"""Returns the mutual information gap: how much more the best unit tells of a factor than the second best.

    .. math:: \text{MIG} = \frac{1}{k} \sum_{j=1}^{k} \frac{I_{1j} - I_{2j}}{H_j},

    with :math:`I_{1j} \ge I_{2j}` the two largest of `factor_information` for factor j and :math:`H_j` its entropy.

    Args:
        z_mean: posterior means, shape (n, latent_dim), n >= 2, latent_dim >= 2.
        factors: the classes of each example's factors, integers of shape (n, k), two classes or more in each column.
        bins: >= 2; disentanglement_lib takes 20, of 10,000 examples.

    Returns:
        From 0 to 1.

    Raises:
        ValueError: if an argument is not so; a factor with one value has the entropy 0.

    Source: Chen et al. 2018, arXiv 1802.04942, with the bins of disentanglement_lib.

    A unit of its own for the factor; the same twice:

    >>> mutual_information_gap([[0.0, 1.0], [1.0, 1.0]], [[0], [1]])
    1.0
    >>> mutual_information_gap([[0.0, 3.0], [1.0, 5.0]], [[0], [1]])
    0.0
    """
    information = np.sort(factor_information(z_mean, factors, bins), axis=0)
    return float(np.mean((information[-1] - information[-2]) / _entropies(np.asarray(factors))))


def sap_score(
    z_mean: npt.ArrayLike,
    factors: npt.ArrayLike,
    z_mean_test: npt.ArrayLike | None = None,
    factors_test: npt.ArrayLike | None = None,
    continuous: bool = False,
) -> float:
    r"""Returns the separated attribute predictability: how much better the best unit predicts a factor than the next.

    .. math:: \text{SAP} = \frac{1}{k} \sum_{j=1}^{k} (S_{1j} - S_{2j}),

    with :math:`S_{1j} \ge S_{2j}` the two largest scores of single units for factor j. A score is the accuracy on
    test examples of a linear support vector machine (C = 0.01, classes weighted to balance) that sees only this unit;
    for continuous factors it is the squared correlation, which needs no test examples.

    Args:
        z_mean: posterior means of training examples, shape (n, latent_dim), n >= 2, latent_dim >= 2.
        factors: their factors, integers of shape (n, k), two classes or more in each column; any real numbers
            under `continuous`.
        z_mean_test: posterior means of other examples, shape (m, latent_dim); left out under `continuous`.
        factors_test: their factors, shape (m, k).
        continuous: whether the factors are quantities rather than classes.

    Returns:
        From 0 to 1.

    Raises:
        ValueError: if an argument is not so.

    Source: Kumar et al. 2018, arXiv 1711.00848, section 3, with the classifier of disentanglement_lib.

    >>> sap_score([[0.0, 1.0], [1.0, 1.0], [2.0, 1.0]], [[0], [1], [2]], continuous=True)
    1.0
    """
    continuous = boolean("continuous", continuous)
    means, targets = codes_and_factors(z_mean, factors, integers=not continuous)
    if not continuous:
        scores = _svm_accuracies(means, targets, *held_out(z_mean_test, factors_test, means, targets))
    else:
        for name, value in {"z_mean_test": z_mean_test, "factors_test": factors_test}.items():
            if value is not None:
                raise argument_error(name, "be left out: squared correlations need no test examples", value)
        scores = _squared_correlations(means.astype(np.float64), targets.astype(np.float64))
    ordered = np.sort(scores, axis=0)
    return float(np.mean(ordered[-1] - ordered[-2]))


def dci_scores(
    z_mean: npt.ArrayLike,
    factors: npt.ArrayLike,
    z_mean_test: npt.ArrayLike,
    factors_test: npt.ArrayLike,
    n_jobs: int = 1,
) -> DciScores:
    """Returns disentanglement, completeness and informativeness of the codes, from gradient-boosted trees.

    For each factor, 100 rounds of trees of depth 3 (scikit-learn's defaults) predict its class from all units. How
    important each unit is to them makes a matrix (latent_dim, k). Disentanglement is `importance_disentanglement` of
    it, completeness that of its transpose, informativeness the mean accuracy over factors. Splits that are equally
    good are told apart by a fixed seed; another one moves the scores by some thousandths.

    Args:
        z_mean: posterior means of training examples, shape (n, latent_dim), n >= 2, latent_dim >= 2.
        factors: their factors, integers of shape (n, k), k >= 2, two classes or more in each column.
        z_mean_test: posterior means of other examples, shape (m, latent_dim).
        factors_test: their factors, shape (m, k).
        n_jobs: threads, each with a factor at a time, >= 1. The time grows with the number of classes.

    Raises:
        ValueError: if an argument is not so.

    Source: Eastwood and Williams 2018, "A framework for the quantitative evaluation of disentangled
    representations", with the trees of disentanglement_lib.

    >>> z_mean = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
    >>> scores = dci_scores(z_mean, [[0, 0], [0, 1], [1, 0], [1, 1]], z_mean, [[0, 0], [0, 1], [1, 0], [1, 1]])
    >>> [round(score, 3) for score in scores[:4]]
    [1.0, 1.0, 1.0, 1.0]
    """
    from sklearn.ensemble import GradientBoostingClassifier
    from sklearn.utils.parallel import Parallel, delayed

    means, classes = codes_and_factors(z_mean, factors)
    if classes.shape[1] < 2:
        raise argument_error("factors", "have two columns or more", Described(f"an array of shape {classes.shape}"))
    means_test, classes_test = held_out(z_mean_test, factors_test, means, classes)

    def fitted(j: int) -> tuple[Array, float, float]:
        trees = GradientBoostingClassifier(random_state=0).fit(means, classes[:, j])
        train, test = trees.score(means, classes[:, j]), trees.score(means_test, classes_test[:, j])
        return trees.feature_importances_, train, test

    threads = Parallel(n_jobs=positive_int("n_jobs", n_jobs), prefer="threads")
    most_first = np.argsort([-len(np.unique(column)) for column in classes.T], kind="stable")
    fits = threads(delayed(fitted)(int(j)) for j in most_first)
    importance, train, test = zip(*(fits[place] for place in np.argsort(most_first)), strict=True)
    matrix = np.maximum(np.stack(importance, axis=1).astype(np.float64), 0)  # rounding leaves some at -1e-17
    scores = (
        importance_disentanglement(matrix),
        importance_disentanglement(matrix.T),
        float(np.mean(train)),
        float(np.mean(test)),
    )
    return DciScores(*scores, matrix)


def importance_disentanglement(importance: npt.ArrayLike) -> float:
    r"""Returns how far each row of an importance matrix has a single large entry; of its transpose, the completeness.

    .. math:: \sum_i \rho_i \Big(1 + \sum_j p_{ij} \log_k p_{ij}\Big), \quad
        p_{ij} = \frac{R_{ij}}{\sum_j R_{ij}}, \quad \rho_i = \frac{\sum_j R_{ij}}{\sum_{ij} R_{ij}}.

    Args:
        importance: R, of each latent unit to each factor, shape (latent_dim, k), >= 0, k >= 2.

    Returns:
        From 0, every unit as important to each factor, to 1, no unit important to two; 0 if all of R is 0.

    Raises:
        ValueError: if `importance` is not so.

    >>> round(importance_disentanglement([[2.0, 0.0], [0.0, 1.0], [0.0, 0.0]]), 6)
    1.0
    >>> round(importance_disentanglement([[1.0, 0.0], [1.0, 1.0]]), 3)
    0.333
    """
    matrix = finite_array("importance", importance, ndim=2, axes="(latent_dim, k)").astype(np.float64)
    if matrix.shape[1] < 2:
        received = Described(f"an array of shape {matrix.shape}")
        raise argument_error("importance", "have two columns or more", received)
    if matrix.min() < 0:
        raise argument_error("importance", "hold no number below 0", Described(f"one with {matrix.min():g}"))
    total = matrix.sum()
    if total == 0:
        return 0.0
    shares = matrix + _SMOOTHING
    shares /= shares.sum(axis=1, keepdims=True)
    entropies = -np.sum(shares * np.log(shares), axis=1) / np.log(matrix.shape[1])
    return float(np.sum((1 - entropies) * matrix.sum(axis=1)) / total)


def _entropies(classes: Array) -> Matrix:
    """The entropy of each column in nats."""
    counts = [np.unique(column, return_counts=True)[1] / len(column) for column in classes.T]
    return np.array([-np.sum(shares * np.log(shares)) for shares in counts])


def _svm_accuracies(means: Array, classes: Array, means_test: Array, classes_test: Array) -> Matrix:
    from sklearn.svm import LinearSVC

    scores = np.empty((means.shape[1], classes.shape[1]))
    for i, j in np.ndindex(*scores.shape):
        machine = LinearSVC(C=_SVM_C, class_weight="balanced").fit(means[:, [i]], classes[:, j])
        scores[i, j] = machine.score(means_test[:, [i]], classes_test[:, j])
    return scores


def _squared_correlations(means: Matrix, targets: Matrix) -> Matrix:
    means, targets = means - means.mean(axis=0), targets - targets.mean(axis=0)
    n = len(means) - 1
    variances, covariances = np.sum(means**2, axis=0) / n, means.T @ targets / n
    spread = np.where(variances > _NO_VARIANCE, variances, np.inf)[:, np.newaxis]
    targets_spread = np.sum(targets**2, axis=0) / n
    return np.asarray(covariances**2 / (spread * np.where(targets_spread > 0, targets_spread, np.inf)))
