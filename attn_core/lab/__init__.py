"""What notebooks and learners may always use: measured claims, and figures in the house style.

`lab` imports nothing else of attn_core: it lies on the learner's side of the wall, the rest is the answer key. Nor does
importing it load NumPy or matplotlib: functions import what they draw with.
"""

from attn_core.lab.claims import ClaimLine, claim, parse_claim_line
from attn_core.lab.plots import heatmap, house_style, show, slider

__all__ = ["ClaimLine", "claim", "heatmap", "house_style", "parse_claim_line", "show", "slider"]
