"""A PostgreSQL server of its own for a test run, from the system's packages, on a socket in a temporary folder."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SEARCHED = "/usr/lib/postgresql/*/bin"
PASSWORD = "s3cret-pass/word"  # with a sign that an address must quote


class NoServer(Exception):  # noqa: N818 - a reason to skip, not a defect
    """There is none; the message says why."""


@dataclass(frozen=True)
class Server:
    """A server that runs. Its addresses name the socket's folder; there is no port."""

    folder: Path

    def address(self, database: str, password: bool = False) -> str:
        """The address of a database as a teacher would write it."""
        from urllib.parse import quote

        user = f"teacher:{quote(PASSWORD, safe='')}" if password else "teacher"
        return f"postgresql://{user}@/{database}?host={self.folder}"

    def create(self, database: str, template: str = "template1") -> None:
        """A new database: empty, or a copy of `template`, which nobody may be using."""
        import psycopg

        with psycopg.connect(host=str(self.folder), user="teacher", dbname="postgres", autocommit=True) as connection:
            connection.execute(f'create database "{database}" template "{template}"')


@contextmanager
def server() -> Iterator[Server]:
    """Run one; NoServer where the programs or an unprivileged user are missing."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        raise NoServer(f"needs PostgreSQL's server ({SEARCHED}); Debian: apt install postgresql")
    programs = found[-1].parent
    folder = Path(tempfile.mkdtemp(prefix="attn-pg-"))
    who = {}
    try:
        if os.geteuid() == 0:  # the server refuses to run as root
            user = next((name for name in ("postgres", "nobody") if _known(name)), None)
            if user is None:
                raise NoServer("needs an unprivileged user to run PostgreSQL as")
            entry = pwd.getpwnam(user)
            os.chown(folder, entry.pw_uid, entry.pw_gid)
            who = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        data = folder / "data"
        secret = folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        quiet = {
            "cwd": folder,
            "env": {"LANG": "C.UTF-8", "PATH": "/usr/bin:/bin"},
            "stdout": subprocess.DEVNULL,
            **who,
        }
        make = [programs / "initdb", "-D", data, "-U", "teacher", "-E", "UTF8", "--no-sync"]
        subprocess.run([*make, "--auth=trust", f"--pwfile={secret}"], check=True, **quiet)
        settings = f"-k {folder} -c listen_addresses= -c fsync=off"
        start = [programs / "pg_ctl", "-D", data, "-w", "-o", settings, "-l", folder / "log"]
        subprocess.run([*start, "start"], check=True, **quiet)
        try:
            yield Server(folder)
        finally:
            subprocess.run([programs / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop"], check=False, **quiet)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _known(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True
