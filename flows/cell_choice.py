"""Which kind of cell a command asks for; nothing weaker than asked for is ever used."""

from sandbox.errors import SandboxUnavailable


def check_cell(kind: str) -> None:
    """Refuse a kind of cell that this version does not have."""
    if kind != "docker":
        raise SandboxUnavailable(
            f"--cell {kind}: this version tries policies in Docker containers only; start a Docker "
            "engine (`make engine` installs one as root on Debian and Ubuntu) and leave out --cell"
        )
