"""The command `vaelib report`: the answer of a batch, its page and its table."""

from __future__ import annotations

import argparse

from vaelib._checks import argument_error, finite_float


def add_report_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments to its parser."""
    parser.add_argument("runs", help="the folder that `vaelib compare` filled")
    parser.add_argument(
        "--output", metavar="FOLDER", help="folder for the files of the report (default: that of the runs)"
    )
    parser.add_argument("--only", metavar="PATTERN", help="the runs with name=value, or with PATTERN in them")
    parser.add_argument("--measure", default="negative_elbo", help="the column to compare (default: %(default)s)")
    parser.add_argument("--baseline", default="constant", help="the schedule to compare with (default: %(default)s)")
    parser.add_argument(
        "--smallest-effect", default="0.5", metavar="X", help="the smallest difference that matters (default: 0.5)"
    )
    parser.add_argument("--higher-is-better", action="store_true", help="for measures like active_units")


def report(options: argparse.Namespace) -> int:
    """Writes the report on a batch and prints its answer; returns 0.

    Raises:
        ValueError: if an option is wrong, or the folder holds no results that can be compared; nothing is written then.
    """
    # bring pandas and matplotlib, which --help does without
    from vaelib.comparison.report import FRAGMENT, write_report
    from vaelib.comparison.results import answer

    try:
        effect = finite_float("--smallest-effect", float(options.smallest_effect), minimum=0)
    except ValueError:
        raise argument_error("--smallest-effect", "be a number >= 0", options.smallest_effect) from None
    page, table, differences = write_report(
        options.runs,
        options.output,
        options.only,
        measure=options.measure,
        baseline=options.baseline,
        smallest_effect=effect,
        lower_is_better=not options.higher_is_better,
    )
    print(answer(differences))
    for path in (page, page.with_name(FRAGMENT), table):
        print(path)
    return 0
