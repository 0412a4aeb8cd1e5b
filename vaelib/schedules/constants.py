"""The KL weight and the length of its annealing that the documents of the two KL failures end with."""

from typing import Final

KL_WEIGHT: Final = 1e-4
"""The KL-fix document's weight of the KL term; the training-improvements document before it had 1e-3.

It is a weight for losses whose two terms are means, over pixels and over latent units: on 8 x 8 images with 16 units
it amounts to β = 0.0004, not to 0.0001. `effective_beta` has the formula.
"""

KL_ANNEALING_EPOCHS: Final = 10
"""The KL-fix document's number of epochs over which the KL weight rises; the document before it had 5."""
