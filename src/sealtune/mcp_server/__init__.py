"""The tools of a conversation, for any assistant that speaks the Model Context Protocol.

``sealtune mcp`` serves them. Importing this package loads nothing; the protocol's own library is
an extra (``sealtune[mcp]``) that `check_installed` asks for.
"""

from sealtune.errors import ConfigError

INSTALL = "pip install 'sealtune[mcp]'"


def check_installed() -> None:
    """Return if the protocol's library is there in a version that this package can work with.

    Raises:
        ConfigError: It is not; the fix is the line that installs it.
    """
    try:
        import mcp.server.mcpserver.resolve  # noqa: F401 - what 2.0 brought and we need
    except ImportError as error:
        raise ConfigError(
            "sealtune mcp: its package (mcp 2.3 or newer) is not installed", fix=INSTALL
        ) from error
