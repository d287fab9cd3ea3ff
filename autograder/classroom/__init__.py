"""From a folder of submissions to grades: intake, gradebook, feedback, export, and the nbgrader plug-in."""

import sys

# nbgrader imports jsonschema, which takes this grammar along where it is installed: a second per start, for a check of
# international web addresses that no notebook's schema asks for. Without it jsonschema leaves that check out.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]  # None makes an import fail, says Python's manual
