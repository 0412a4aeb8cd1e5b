"""Many runs on Dask: worker processes here or a cluster's, one more try for a run whose worker or kernel died."""

from __future__ import annotations

import logging
import re
import signal
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from multiprocessing import resource_tracker
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from vaelib._checks import argument_error
from vaelib.comparison.code import library_code
from vaelib.comparison.execution import Outcome, execute, utc_now
from vaelib.comparison.runs import InputChanged, Task

GONE, DESERTED = "The scheduler went away", "The cluster has no workers any more"
ADDRESS = "be the address of a running Dask scheduler, such as tcp://host:8786"
TRIES = 2  # of a run whose worker or kernel dies
CONNECT = 15  # seconds to wait for a cluster
START = 150  # seconds to wait for workers of our own, on a busy machine
PATIENCE = 5  # seconds after which to look how the workers are
ABSENCE = 60  # seconds for which a cluster may be without workers, which may be starting again


class ClusterLost(Exception):
    """The scheduler or all workers are gone, or never came; what was finished is kept."""


def available_cores() -> int:
    """Returns how many cores this process may use."""
    from dask.system import CPU_COUNT

    return int(CPU_COUNT)


def check_address(scheduler: str) -> None:
    """Raises if this is no address, whether or not anything answers there."""
    if not re.fullmatch(r"[a-z]+://[^\s/]+:\d+/?", scheduler):
        raise argument_error("--scheduler", ADDRESS, scheduler)


@contextmanager
def connected(scheduler: str | None, workers: int | None = None) -> Iterator[Any]:
    """Yields a Dask client.

    Args:
        scheduler: the address of a running one, such as "tcp://host:8786"; None: a scheduler and workers of its own
            on this machine, ended at the end.
        workers: how many of its own, each a process that does one run at a time; None: as many as there are cores.

    Raises:
        ValueError: if there is no scheduler at the address, or it has no workers, or one without this vaelib.
        ClusterLost: if the workers of its own do not start.
    """
    import dask.distributed  # before the settings: its import brings the defaults that they change

    with ExitStack() as stack:
        # data files travel with the tasks; how often a run is tried is decided here, not by a scheduler of our own
        settings = {"admin.large-graph-warning-threshold": "1 TB", "scheduler.allowed-failures": 0}
        stack.enter_context(dask.config.set({f"distributed.{name}": value for name, value in settings.items()}))
        for handler in logging.getLogger("distributed").handlers:  # what the user is to know, the command says
            stack.callback(handler.setLevel, handler.level)
            handler.setLevel(logging.CRITICAL)
        if scheduler is not None:
            yield stack.enter_context(_client(scheduler))
            return
        try:
            client = _local(stack, available_cores() if workers is None else workers)
        except (RuntimeError, OSError) as error:  # a timeout is an OSError too
            raise ClusterLost(f"The workers did not start: {str(error) or type(error).__name__}") from None
        yield client


def _local(stack: ExitStack, workers: int) -> Any:
    from dask.distributed import Client, LocalCluster

    options: dict[str, Any] = {"threads_per_worker": 1, "memory_limit": 0, "silence_logs": logging.CRITICAL}
    with _uninterrupted():
        cluster = LocalCluster(n_workers=workers, dashboard_address="127.0.0.1:0", **options)
        stack.enter_context(cluster)
        client = stack.enter_context(Client(cluster))
        client.wait_for_workers(workers, timeout=START)
    return client


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Holds Ctrl-C back until the end, and for ever from the threads and processes that are started meanwhile.

    It reaches every process of a terminal, and the command alone answers it.
    """
    if threading.current_thread() is not threading.main_thread():  # which alone hears it
        yield
        return
    resource_tracker.ensure_running()  # it would undo the mask when it starts
    heard: list[int] = []
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # is inherited
    handler = signal.signal(signal.SIGINT, lambda number, _: heard.append(number))  # for threads of other libraries
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, handler)
    if heard and callable(handler):
        handler(signal.SIGINT, None)


@contextmanager
def _client(scheduler: str) -> Iterator[Any]:
    from dask.distributed import Client

    try:
        client = Client(scheduler, timeout=CONNECT)
    except (OSError, ValueError, TypeError, RuntimeError) as error:  # the last two: TLS as it is not configured
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise argument_error("--scheduler", ADDRESS, scheduler, f"{reason}.") from None
    with client:
        try:
            client.wait_for_workers(1, timeout=CONNECT)
        except TimeoutError:
            raise argument_error("--scheduler", "be one that has workers", scheduler) from None
        _refuse_another_vaelib(client, scheduler)
        yield client


def _refuse_another_vaelib(client: Any, scheduler: str) -> None:
    """Each worker says which code it would run: better asked once than told by every run that fails there."""
    try:
        found = client.run(library_code, on_error="return")
    except OSError:
        raise ClusterLost(GONE) from None
    for worker, code in found.items():
        if code != library_code():
            what = "another" if isinstance(code, str) else "none, or an old one"
            must = "be one whose workers have the vaelib of this command"
            remedy = f"{worker} has {what}: install the same on every machine, then start its workers again."
            raise argument_error("--scheduler", must, scheduler, remedy)


def outcomes(client: Any, tasks: Mapping[str, Callable[[], Task]]) -> Iterator[tuple[str, Outcome, int]]:
    """Runs tasks and yields the name of each, what came of it and the number of tries, in the order in which they end.

    No more are handed out than the workers can begin at once, so that a dying worker takes down what it was running and
    nothing else. Of a cluster, `allowed-failures` decides how often its scheduler repeats by itself what a worker died
    of.

    Raises:
        ClusterLost: if the scheduler goes away, or all workers of a cluster for longer than a moment.
        InputChanged: if the notebook or a data file has changed; what was running then has ended before.
    """
    workers = len(client.nthreads())
    waiting, deaths, changed = deque(tasks), Counter[str](), ""
    running: dict[Any, tuple[str, str, float]] = {}
    while waiting or running:
        slots = _slots(client)  # a cluster may grow
        while waiting and len(running) < max(1, sum(slots.values())):
            name = waiting.popleft()
            try:
                task = tasks[name]()
            except InputChanged as error:  # what runs is as it was planned, and ends
                changed = str(error)
                waiting.clear()
                break
            key = f"vaelib-{name}-{uuid4().hex}"
            future = client.submit(on_worker, task, slots, key=key, pure=False, retries=0)
            running[future] = (name, utc_now(), perf_counter())
        if not running:
            break
        future = _first(client, list(running), workers)
        name, started, clock = running.pop(future)
        outcome, died = _result(future, started, perf_counter() - clock)
        del future  # the cluster may forget the result
        deaths[name] += died
        if died and deaths[name] < TRIES and not changed:
            waiting.appendleft(name)
            _wait_for(client, workers)
            continue
        tries = deaths[name] + (outcome.status != "died")
        yield name, replace(outcome, status="failed") if outcome.status == "died" else outcome, tries
    if changed:
        raise InputChanged(changed)


def on_worker(task: Task, slots: Mapping[str, int]) -> Outcome:
    """Runs a task on a Dask worker, with the share of the machine's cores that falls to one run.

    Args:
        task: what to run.
        slots: how many runs each machine of the cluster does at once.
    """
    from dask.distributed import get_worker

    worker = get_worker()
    at_once = slots.get(_host(worker.address), 1)
    return execute(task, max(1, available_cores() // at_once), worker.local_directory, worker.address)


def _result(future: Any, started: str, seconds: float) -> tuple[Outcome, int]:
    """Returns what came of a future, and how many workers or kernels died of it."""
    from dask.distributed import CancelledError, KilledWorker

    try:
        outcome: Outcome = future.result()
        return outcome, int(outcome.status == "died")
    except KilledWorker as killed:
        address = getattr(killed.last_worker, "address", "")
        error = {"cell": None, "line": None, "name": "KilledWorker", "message": f"the worker {address} died"}
        outcome = Outcome("died", error, started, utc_now(), round(seconds, 3), _host(address), address)
        return outcome, 1 + int(getattr(killed, "allowed_failures", 0))
    except CancelledError:
        raise ClusterLost(GONE) from None
    except Exception as problem:  # vaelib missing on the worker, say: told like an error of the run
        message = " ".join(str(problem).split())[:500]
        error = {"cell": None, "line": None, "name": type(problem).__name__, "message": message}
        return Outcome("failed", error, started, utc_now(), round(seconds, 3)), 0


def _slots(client: Any) -> dict[str, int]:
    """Returns how many runs each machine does at once: the threads of its workers."""
    slots = Counter[str]()
    try:
        threads_of = client.nthreads()
    except OSError:
        raise ClusterLost(GONE) from None
    for address, threads in threads_of.items():
        slots[_host(address)] += threads
    return dict(slots)


def _first(client: Any, futures: list[Any], workers: int) -> Any:
    """Waits for the first of the futures to end; workers of ours that Dask gave up on are replaced meanwhile."""
    from dask.distributed import CancelledError, wait

    last_seen = perf_counter()
    while True:
        try:
            return next(iter(wait(futures, timeout=PATIENCE, return_when="FIRST_COMPLETED").done))
        except TimeoutError:
            present = sum(_slots(client).values())
            if client.cluster is not None and present < workers:
                client.cluster.scale(workers)
            if present or client.cluster is not None:
                last_seen = perf_counter()
            elif perf_counter() - last_seen > ABSENCE:
                raise ClusterLost(DESERTED) from None
        except CancelledError:  # what a client does to its futures when the scheduler is gone
            raise ClusterLost(GONE) from None


def _wait_for(client: Any, workers: int) -> None:
    """Gives a worker that died a moment to come back, so that its run does not queue behind another."""
    with suppress(OSError):
        client.wait_for_workers(workers, timeout=PATIENCE)


def _host(address: str) -> str:
    return urlsplit(address).hostname or ""
