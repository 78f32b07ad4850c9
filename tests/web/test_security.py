"""Who may look, who may change something: all others are refused before anything happens."""

import pytest
from tests.web.client import ORIGIN, Browser, post

from sealtune.errors import InputError
from sealtune.web.desk import Desk
from sealtune.web.security import LOGIN_SECONDS, MOST_LOGINS, Logins
from sealtune.web.serving import bind

EVERYTHING = ("/", "/session/last", "/static/index.html", "/favicon.ico", "/api/self",
              "/api/sessions", "/api/events", "/api/sessions/last", "/nothing/here")  # fmt: skip


@pytest.fixture
def browser(store):
    return Browser(store)


@pytest.fixture
def stopped(monkeypatch):
    """The sessions that the desk was told to stop."""
    asked = []

    def stop(_desk, row):
        asked.append(row.id)
        return {"asked": True, "says": "it stops"}

    monkeypatch.setattr(Desk, "stop", stop)
    return asked


@pytest.mark.parametrize("path", EVERYTHING)
def test_without_the_token_nothing_is_shown(browser, path):
    """
    Every address answers 401 and no more to who has no cookie, a wrong token included.
    """
    for address in (path, f"{path}?token=", f"{path}?token=the-tokeN"):
        answer = browser.stranger().get(address)
        assert answer.status_code == 401
        assert "set-cookie" not in answer.headers
        assert "dry" not in answer.text
        assert "the-token" not in answer.text


def test_the_token_becomes_a_cookie_and_leaves_the_address(browser):
    """
    The first use gives a cookie that no script reads and no other site sends, and a clean URL.
    """
    answer = browser.stranger().get("/session/last?token=the-token&view=pairs")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/session/last?view=pairs"
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith("sealtune-8765=")
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "the-token" not in cookie
    assert answer.headers["cache-control"] == "no-store"


def test_the_token_leads_to_no_other_host(browser):
    """
    A path that a browser would take for a host stays a path of ours.
    """
    answer = browser.stranger().get(f"{ORIGIN}//evil.example/?token=the-token")
    assert answer.headers["location"].startswith("/evil.example")


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8765", "127.0.0.1", "127.0.0.1:80",
     "localhost.evil.example:8765", "127.0.0.1:8765.evil.example", "0.0.0.0:8765", ""],
)  # fmt: skip
def test_another_host_name_is_refused(browser, host):
    """
    A name that was bound to loopback (DNS rebinding) is refused, cookie and token or not.
    """
    client = browser.visitor()
    for path in ("/api/sessions", "/?token=the-token"):
        answer = client.get(path, headers={"host": host})
        assert answer.status_code == 421
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("host", ["localhost:8765", "[::1]:8765", "LOCALHOST:8765"])
def test_the_names_of_loopback_are_answered(browser, host):
    """
    All names of this machine's loopback work, as they do through ``ssh -L``.
    """
    assert browser.stranger().get("/?token=the-token", headers={"host": host}).status_code == 303


FORGED = {
    "no CSRF token": {"x_csrf_token": None},
    "empty CSRF token": {"x_csrf_token": ""},
    "the token of the URL": {"x_csrf_token": "the-token"},
    "another site": {"origin": "http://evil.example"},
    "another port": {"origin": "http://127.0.0.1:8766"},
    "https for http": {"origin": "https://127.0.0.1:8765"},
    "a page without origin": {"origin": "null"},
    "no origin": {"origin": None},
    "said by the browser": {"sec_fetch_site": "cross-site"},
    "same site, other origin": {"sec_fetch_site": "same-site"},
}


@pytest.mark.parametrize("headers", FORGED.values(), ids=FORGED)
def test_a_forged_change_is_refused(browser, stopped, headers):
    """
    What our own page did not send changes nothing, although the browser sends the cookie along.
    """
    answer = post(browser.visitor(), "/api/sessions/last/stop", **headers)
    assert answer.status_code == 403
    assert set(answer.json()) == {"error", "fix"}
    assert stopped == []


def test_a_stolen_csrf_token_is_worth_nothing(browser, stopped):
    """
    The CSRF token of one login is refused with the cookie of another, and without a cookie.
    """
    mine, other = browser.visitor(), browser.visitor()
    stolen = mine.get("/api/self").json()["csrf"]
    assert post(other, "/api/sessions/last/stop", x_csrf_token=stolen).status_code == 403
    alone = post(browser.stranger(), "/api/sessions/last/stop", x_csrf_token=stolen)
    assert alone.status_code == 401
    assert stopped == []
    assert post(mine, "/api/sessions/last/stop", x_csrf_token=stolen).status_code == 202
    assert len(stopped) == 1


@pytest.mark.parametrize("method", ["get", "head", "put", "delete", "options", "patch"])
def test_only_a_post_changes_something(browser, stopped, method):
    """
    A link, an image or any other method does not press a button.
    """
    client = browser.visitor()
    csrf = client.get("/api/self").json()["csrf"]
    headers = {"origin": ORIGIN, "x-csrf-token": csrf, "content-type": "application/json"}
    answer = client.request(method, "/api/sessions/last/stop", headers=headers)
    assert answer.status_code >= 400
    assert stopped == []


def test_a_form_of_another_page_is_no_button(browser, stopped):
    """
    What an HTML form can send is not taken, even with everything else right.
    """
    client = browser.visitor()
    csrf = client.get("/api/self").json()["csrf"]
    answer = client.post(
        "/api/sessions/last/stop",
        data={"a": "b"},
        headers={"origin": ORIGIN, "x-csrf-token": csrf},
    )
    assert answer.status_code == 400
    assert stopped == []


@pytest.mark.parametrize(
    "name",
    ["../app.py", "..%2fapp.py", "%2e%2e/app.py", "....//app.py", "/etc/passwd", "%2fetc%2fpasswd",
     "js/../../app.py", "..\\app.py", "secret.py", "outside.txt", "", "js", ".hidden"],
)  # fmt: skip
def test_nothing_beside_the_pages_is_given_away(store, tmp_path, name):
    """
    No way of writing a path leads out of the directory of the page's files, links included.
    """
    static = tmp_path / "static"
    (static / "js").mkdir(parents=True)
    (tmp_path / "app.py").write_text("SECRET")
    (tmp_path / "secret.txt").write_text("SECRET")
    (static / "secret.py").write_text("SECRET")
    (static / ".hidden").write_text("SECRET")
    (static / "outside.txt").symlink_to(tmp_path / "secret.txt")
    (static / "fine.txt").write_text("fine")
    client = Browser(store, static=static).visitor()
    assert client.get("/static/fine.txt").text == "fine"
    answer = client.get(f"/static/{name}")
    assert answer.status_code == 404
    assert "SECRET" not in answer.text


@pytest.mark.parametrize("path", [*EVERYTHING, "/static/../app.py"])
def test_every_answer_carries_the_same_protection(browser, path):
    """
    Scripts and styles come from here alone, nothing frames us, nothing with data is cached.
    """
    if path.endswith("events"):
        pytest.skip("a stream does not end; its headers are tested with a server")
    for client in (browser.visitor(), browser.stranger()):
        answer = client.get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "style-src 'self';" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "access-control-allow-origin" not in answer.headers
        if path.startswith("/api"):
            assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"x" * 5000, 413), (b"[1]", 400), (b"{", 400), (b"\xff\xfe", 400), (b"[" * 4000, 400)],
)  # fmt: skip
def test_a_body_that_is_none_is_refused(browser, stopped, body, status):
    """
    Too long, broken or no object: refused with a sentence, never with a traceback.
    """
    client = browser.visitor()
    csrf = client.get("/api/self").json()["csrf"]
    headers = {"origin": ORIGIN, "x-csrf-token": csrf, "content-type": "application/json"}
    answer = client.post("/api/sessions/last/stop", content=body, headers=headers)
    assert answer.status_code == status
    assert "Traceback" not in answer.text
    assert stopped == []


def test_a_fault_of_ours_shows_no_inside(browser, monkeypatch):
    """
    A bug is answered with its kind, without a traceback, a path or a value.
    """

    def break_(_desk, _row):
        raise RuntimeError("/secret/place")

    monkeypatch.setattr(Desk, "apply_of", break_)
    answer = browser.visitor().get("/api/sessions/last")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "RuntimeError" in answer.json()["error"]


def test_logins_are_few_and_end():
    """
    The oldest of too many logins has to come again, and so has every one after a day.
    """
    logins = Logins()
    first = logins.enter(logins.token)
    assert logins.csrf(first)
    later = [logins.enter(logins.token) for _ in range(MOST_LOGINS)]
    assert logins.csrf(first) is None
    assert len({logins.csrf(one) for one in later}) == MOST_LOGINS
    assert logins.enter("") is None
    assert logins.csrf("") is None


def test_a_login_ends_after_a_day(monkeypatch):
    """
    A cookie that was copied is of no use for ever.
    """
    logins = Logins()
    cookie = logins.enter(logins.token)
    from sealtune.web import security

    now = security.time.monotonic()
    monkeypatch.setattr(security.time, "monotonic", lambda: now + LOGIN_SECONDS + 1)
    assert logins.csrf(cookie) is None


def test_tokens_are_long_and_never_the_same():
    """
    Every start has its own secret, of 32 random bytes.
    """
    tokens = {Logins().token for _ in range(10)}
    assert len(tokens) == 10
    assert min(map(len, tokens)) >= 43


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_every_address_at_once_is_refused(host):
    """
    Bound to all addresses it could not tell its own name from a rebound one.
    """
    with pytest.raises(InputError, match="any name"):
        bind(host, 0, without_tls=True)


def test_the_network_needs_tls_or_a_word(monkeypatch):
    """
    Beyond loopback it binds only with TLS, or when the person accepts that there is none.
    """
    from sealtune.web import serving

    found = [(serving.socket.AF_INET, 0, 0, "", ("192.0.2.7", 0))]
    monkeypatch.setattr(serving.socket, "getaddrinfo", lambda *_a, **_k: found)
    with pytest.raises(InputError, match="unencrypted") as refused:
        bind("tuned.example", 0)
    assert "--tls-cert" in refused.value.fix
    assert "--without-tls" in refused.value.fix
    with pytest.raises(InputError, match=r"192\.0\.2\.7"):  # it is not ours, so this fails later
        bind("tuned.example", 0, without_tls=True)


def test_a_certificate_that_is_none_is_named(tmp_path):
    """
    Wrong TLS files are refused at the start, with their names.
    """
    wrong = tmp_path / "cert.pem"
    wrong.write_text("nothing")
    with pytest.raises(InputError, match=r"cert\.pem"):
        bind("127.0.0.1", 0, tls=(wrong, wrong))


def test_a_taken_port_is_an_error_only_when_it_was_asked_for():
    """
    The usual port moves away when it is taken; one that was named does not.
    """
    first, address = bind("127.0.0.1", 0)
    with first, pytest.raises(InputError, match=str(address.port)):
        bind("127.0.0.1", address.port)
    assert address.url("T", "/x") == f"http://127.0.0.1:{address.port}/x?token=T"
