import keras
import numpy as np
import tensorflow as tf

from vaelib.steps import Snapshot, StepTables, log_columns

LOSSES = ("total_loss", "reconstruction_loss", "kl_loss")
LOG_COLUMNS = log_columns(("beta",), LOSSES)


def new_tables():
    return StepTables({"beta": keras.Variable(9.0, trainable=False)}, LOSSES)


def betas(tables, iterations, beta=9.0):
    values = []
    for i in iterations:
        tables.scheduled["beta"].assign(beta)
        tables.set_scheduled(tf.constant(i, "int64"))
        values.append(float(tables.scheduled["beta"]))
    return values


def row(value):
    return (value,) * len(LOG_COLUMNS)


def record(tables, step, values):
    values = dict(zip(LOG_COLUMNS, values, strict=True))
    tables.scheduled["beta"].assign(values.pop("beta"))
    tables.record(tf.constant(step, "int64"), values)


def test_without_a_table_beta_is_the_models():
    assert betas(new_tables(), [0, 1, 100]) == [9.0, 9.0, 9.0]


def test_a_table_counts_from_its_start_and_holds_at_both_ends():
    tables = new_tables()
    tables.set_table({"beta": np.array([0.25, 0.5, 0.75])}, start=10)
    assert betas(tables, [0, 10, 11, 12, 13, 1000]) == [0.25, 0.25, 0.5, 0.75, 0.75, 0.75]
    tables.set_table({"beta": np.array([0.0])}, start=0)
    assert betas(tables, [0, 5]) == [0.0, 0.0]  # a β of 0 is a β
    tables.end_fit()
    assert betas(tables, [0, 10]) == [9.0, 9.0]


def test_a_longer_table_retraces_nothing():
    tables, traces = new_tables(), []

    @tf.function
    def beta(iteration):
        traces.append(1)
        tables.set_scheduled(iteration)
        return tables.scheduled["beta"].value

    for length in (1, 5, 3):
        tables.set_table({"beta": np.arange(length) + 1.0}, start=0)
        assert float(beta(tf.constant(100, "int64"))) == length
    assert len(traces) == 1


def test_log_returns_what_was_recorded():
    tables = new_tables()
    tables.start_log(3, start=7)
    assert tables.log().shape == (0, len(LOG_COLUMNS))
    for step in (7, 8):
        record(tables, step, row(float(step)))
    np.testing.assert_array_equal(tables.log(), [row(7), row(8)])  # iteration 9 had no batch
    record(tables, 9, row(np.nan))  # a loss that is none is a row all the same
    np.testing.assert_array_equal(tables.log(), [row(7), row(8), row(np.nan)])


def test_an_epoch_shows_nothing_of_the_one_before():
    tables = new_tables()
    for start in (0, 3, 6):
        tables.start_log(3, start)
        assert len(tables.log()) == 0
        for step in (start, start + 1):  # the third iteration has no batch
            record(tables, step, row(float(step)))
        np.testing.assert_array_equal(tables.log(), [row(start), row(start + 1)])
    tables.end_fit()
    tables.start_log(3, start=6)  # another training of the same iterations
    assert len(tables.log()) == 0


def test_a_shorter_epoch_keeps_the_room_and_its_rows_in_order():
    tables = new_tables()
    tables.start_log(5, start=0)
    tables.start_log(2, start=4)
    for step in (4, 5):
        record(tables, step, row(float(step)))
    np.testing.assert_array_equal(tables.log(), [row(4), row(5)])


def test_withdrawn_steps_are_shown_on_request_alone():
    tables = new_tables()
    tables.start_log(3, start=10)
    for step in (10, 11, 12):
        record(tables, step, row(float(step)))
    tables.withdraw(11)
    np.testing.assert_array_equal(tables.log(), [row(10)])
    np.testing.assert_array_equal(tables.log(withdrawn=True), [row(10), row(11), row(12)])
    tables.withdraw(3)
    assert len(tables.log()) == 0
    tables.start_log(3, start=13)
    record(tables, 13, row(13.0))
    assert len(tables.log()) == 1


def test_log_without_room_breaks_nothing():
    tables = new_tables()
    tables.start_log(2, start=0)
    for step in range(4):
        record(tables, step, row(float(step)))
    assert len(tables.log()) == 0


def test_log_is_extended_without_loss():
    tables = new_tables()
    tables.start_log(1, start=5)
    for step in range(5, 12):
        tables.extend_log(step + 1)
        record(tables, step, row(float(step)))
    np.testing.assert_array_equal(tables.log()[:, 0], np.arange(5, 12))
    tables.extend_log(30)
    np.testing.assert_array_equal(tables.log()[:, 0], np.arange(5, 12))


def test_the_log_is_read_once_until_more_may_come():
    tables = new_tables()
    tables.start_log(2, start=0)
    record(tables, 0, row(0.0))
    first = tables.log(withdrawn=True)
    assert tables.log(withdrawn=True) is first
    tables.expect_rows()
    assert tables.log(withdrawn=True) is not first


def test_rows_keep_the_order_of_their_columns():
    tables = new_tables()
    tables.start_log(1, start=0)
    record(tables, 0, tuple(range(len(LOG_COLUMNS))))
    assert dict(zip(LOG_COLUMNS, tables.log()[0].tolist(), strict=True)) == {
        "examples": 0,
        "beta": 1,
        "total_loss": 2,
        "reconstruction_loss": 3,
        "kl_loss": 4,
        "mean_squared_error": 5,
    }


def test_snapshot_saves_only_finite_values_and_restores_all():
    weight, count = keras.Variable([1.0, 2.0]), keras.Variable(3, dtype="int64")
    kernel = keras.Variable([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    snapshot = Snapshot([weight, count, kernel])
    weight.assign([4.0, 5.0])
    kernel.assign(10 * kernel)
    count.assign(6)
    assert snapshot.save_if_finite()
    for broken in (np.nan, np.inf, -np.inf):
        weight.assign([7.0, broken])
        kernel.assign(0 * kernel)
        count.assign(8)
        assert not snapshot.save_if_finite()
    snapshot.restore()
    assert weight.numpy().tolist() == [4.0, 5.0]
    assert kernel.numpy().tolist() == [[10.0, 20.0, 30.0], [40.0, 50.0, 60.0]]
    assert int(count) == 6


def test_snapshot_begins_with_the_values_it_was_made_of():
    weight = keras.Variable([1.0])
    snapshot = Snapshot([weight])
    weight.assign([np.nan])
    snapshot.restore()
    assert weight.numpy().tolist() == [1.0]
