"""The command `vaelib compare`: which runs, how far they are, what came of them, and an exit code that tells."""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Sequence
from typing import Any

from tqdm import tqdm

from vaelib._checks import argument_error
from vaelib.comparison.batch import ClusterLost, available_cores, check_address, connected, outcomes
from vaelib.comparison.folder import MANIFEST, RunsFolder, error_text
from vaelib.comparison.runs import InputChanged, Run
from vaelib.comparison.selection import label, selected
from vaelib.comparison.specification import read_specification


class _CannotWrite(Exception):
    """The disk is full, say."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments to its parser."""
    parser.add_argument("specification", help="a YAML file: notebook, parameters, vary, timeout")
    parser.add_argument("--output", metavar="FOLDER", help="folder for the runs; those that it holds are not repeated")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="a running Dask scheduler, such as tcp://host:8786")
    parser.add_argument("--workers", metavar="N", help="worker processes on this machine (default: one a core)")
    parser.add_argument("--only", metavar="PATTERN", help="the runs with name=value, or with PATTERN in them")
    parser.add_argument("--dry-run", action="store_true", help="list the runs and their states, and run nothing")


def compare(options: argparse.Namespace, program: str) -> int:
    """Runs what is missing of a batch.

    Returns:
        0 if all runs are done, 1 if some failed or could not be written, 130 after Ctrl-C.

    Raises:
        ValueError: if something about the specification or the options is wrong; no kernel has been started then.
    """
    if not options.output:
        raise argument_error("--output", "be the folder for the runs", options.output)
    if options.scheduler is not None and options.workers is not None:
        raise argument_error("--workers", "be left out with --scheduler", options.workers)
    if options.scheduler is not None:
        check_address(options.scheduler)
    planned = {run.id: run for run in read_specification(options.specification)}
    chosen = selected({name: run.parameters for name, run in planned.items()}, options.only, "--dry-run lists them.")
    runs = [planned[name] for name in chosen]
    folder = RunsFolder(options.output)
    if options.dry_run:
        for run in runs:
            print(f"{run.id}  {folder.state(run):<7}  {label(run.parameters)}")
        return 0
    with folder.locked():
        missing = [run for run in runs if folder.state(run) != "done"]
        print(f"{len(runs)} runs of {runs[0].notebook}: {len(runs) - len(missing)} done, {len(missing)} to run")
        began = time.monotonic()
        try:
            if missing:
                _run(missing, folder, options.scheduler, options.workers)
            else:
                folder.write_manifest()
        except KeyboardInterrupt:
            problem, code = "interrupted", 130
        except (ClusterLost, InputChanged) as error:
            problem, code = f"error: {error}", 1
        except _CannotWrite as error:
            problem, code = f"error: Writing to {folder.path} failed: {error}", 1
        else:
            return _summary(runs, folder, time.monotonic() - began)
        done = sum(folder.state(run) == "done" for run in runs)
        again = shlex.join([options.specification, *_given(options)])
        told = f"{done} of {len(runs)} runs are done and kept; `{program} compare {again}` runs the others"
        print(f"{problem}: {told}", file=sys.stderr)
        return code


def _given(options: argparse.Namespace) -> list[str]:
    """Returns the options as they were given, for a command that does the same."""
    names = [name for name in ("output", "scheduler", "workers", "only") if getattr(options, name) is not None]
    return [text for name in names for text in (f"--{name}", str(getattr(options, name)))]


def _run(missing: Sequence[Run], folder: RunsFolder, scheduler: str | None, workers: int | None) -> None:
    by_id = {run.id: run for run in missing}
    tasks = {run.id: run.task for run in missing}
    if scheduler is None:
        workers = min(workers or available_cores(), len(missing))
    bar: Any = tqdm(total=len(missing), unit="run", disable=not sys.stderr.isatty())
    with bar, connected(scheduler, workers) as client:
        for name, outcome, tries in outcomes(client, tasks):
            try:
                record = folder.store(by_id[name], {**outcome.record(), "tries": tries}, outcome.files)
            except OSError as error:
                raise _CannotWrite(error.strerror or error) from None
            what = f"{record['status']} in {record['seconds']:.1f} s on {record['worker'] or record['host']}"
            if record["error"]:
                what += f": {error_text(record)}"
            bar.write(f"{name}  {label(by_id[name].parameters)}  {what}", file=sys.stdout)
            bar.update()


def _summary(runs: Sequence[Run], folder: RunsFolder, seconds: float) -> int:
    failed = [run for run in runs if folder.state(run) != "done"]
    print(f"{len(runs) - len(failed)} of {len(runs)} runs are done, {len(failed)} failed, after {seconds:.0f} s")
    print(folder.path / MANIFEST)
    return 1 if failed else 0
