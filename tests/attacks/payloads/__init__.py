"""All attacks, by theme. Every payload is harmless: bounded sizes, canary files, nothing deleted."""

from __future__ import annotations

from attack import Attack, Inexpressible

from payloads import (
    arrays,
    children,
    errors,
    escapes,
    files,
    forged,
    leftovers,
    malformed,
    pages,
    peeking,
    resources,
    source,
    wire,
)

THEMES: dict[str, tuple[Attack, ...]] = {
    "forged scores": forged.ATTACKS,
    "peeking": peeking.ATTACKS,
    "arrays that lie": arrays.ATTACKS,
    "replies that lie": wire.ATTACKS,
    "leftovers": leftovers.ATTACKS,
    "ways out": escapes.ATTACKS,
    "own processes": children.ATTACKS,
    "resources": resources.ATTACKS,
    "errors that bite": errors.ATTACKS,
    "source tricks": source.ATTACKS,
    "malformed notebooks": malformed.ATTACKS,
    "odd files": files.ATTACKS,
    "pages": pages.ATTACKS,
}
LIMITS_OF = {"own processes": {"processes": 32}}  # where a theme is about what a course may allow
INEXPRESSIBLE = (
    Inexpressible(
        "74",
        "Call the library operation that the task forbids",
        "No task of 06_scaling forbids one: values decide. Tasks with a cost limit count operations in the player, which is advice, not proof.",
    ),
    Inexpressible(
        "75",
        "Path traversal in the validate handler of the web server",
        "The course has no web handler of its own; the known one is nbgrader's and belongs to the learner's own server.",
    ),
)
