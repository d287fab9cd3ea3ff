"""What notebooks and learners may always use: measured claims, figures in the house style, data and a training loop.

`lab` imports nothing else of attn_core: it lies on the learner's side of the wall, the rest is the answer key. Nor does
importing it load NumPy or matplotlib: functions import what they draw with.
"""

from attn_core.lab.claims import ClaimLine, claim, parse_claim_line
from attn_core.lab.plots import heatmap, house_style, show, slider
from attn_core.lab.training import fit

__all__ = ["ClaimLine", "claim", "fit", "heatmap", "house_style", "parse_claim_line", "show", "slider"]
