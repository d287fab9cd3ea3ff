"""Hana Sato's upload broke off: the file ends in the middle of a cell."""

HAND_IN = "cut off"
