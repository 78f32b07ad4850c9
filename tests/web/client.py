"""A browser without a window: the application behind its gate, and who has come with the token."""

from starlette.testclient import TestClient
from tests.session.writeback import CONFIG

from sealtune.request import Request
from sealtune.space.config import load_config
from sealtune.web.app import STATIC, create_app
from sealtune.web.desk import Desk, Keeping
from sealtune.web.feed import Feed
from sealtune.web.security import Logins

PORT = 8765
ORIGIN = f"http://127.0.0.1:{PORT}"


class Browser:
    """One dashboard and the browsers that look at it.

    Attributes:
        logins: Who has come in.
        app: The application.
    """

    def __init__(self, store, keeping=None, *, static=STATIC) -> None:
        self.desk = Desk(store.path, keeping or Keeping())
        self.logins = Logins("the-token")
        self.app = create_app(
            Feed(store, self.desk), self.desk, self.logins,
            host="127.0.0.1", port=PORT, static=static,
        )  # fmt: skip

    def stranger(self) -> TestClient:
        """Return a browser without a cookie."""
        return TestClient(
            self.app, base_url=ORIGIN, follow_redirects=False, raise_server_exceptions=False
        )

    def visitor(self) -> TestClient:
        """Return a browser that came with the token."""
        client = self.stranger()
        assert client.get("/?token=the-token").status_code == 303
        return client


def post(client, path, body=None, **headers):
    """Press a button as our own page does; a header given as None is left out."""
    if "x_csrf_token" not in headers:
        headers["x_csrf_token"] = client.get("/api/self").json()["csrf"]
    given = {"origin": ORIGIN, **{name.replace("_", "-"): text for name, text in headers.items()}}
    known = {name: text for name, text in given.items() if text is not None}
    return client.post(path, json={} if body is None else body, headers=known)


def request(**wishes) -> Request:
    """Return a wish for a quick dry run."""
    known = {"config": load_config(CONFIG), "dry_run": True, "tactician": "random", "seed": 3}
    return Request(**{**known, "minutes": 6, "command": "sealtune run x.json", **wishes})
