"""What a table of results says about schedules: paired differences, verdicts, win rates, rankings."""

from vaelib.statistics.differences import VERDICTS, paired_differences, seeds_needed, win_matrix
from vaelib.statistics.ranking import RankAgreement, rank_agreement

__all__ = [
    "VERDICTS",
    "RankAgreement",
    "paired_differences",
    "rank_agreement",
    "seeds_needed",
    "win_matrix",
]
