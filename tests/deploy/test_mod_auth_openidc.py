"""Apache with mod_auth_openidc, a certified client, before any site: it signs people in, and out as soon as their
session ends."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

import httpx2

from tests.harness import PLAIN, free_port, new_user, running
from tests.nodes.pair import wait_until
from tests.relying import Application, application, parameters_of
from tests.visitor import is_signed_in, sign_in, visitor

MODULES = Path("/usr/lib/apache2/modules")
LOADED = ("mpm_event", "authn_core", "authz_core", "authz_user", "headers", "dir", "auth_openidc")
CONFIGURATION = """
ServerName 127.0.0.1
Listen 127.0.0.1:{port}
PidFile {folder}/pid
ErrorLog {folder}/errors
DocumentRoot {folder}/site
DirectoryIndex index.html
OIDCProviderMetadataURL {issuer}/.well-known/openid-configuration
OIDCClientID {client_id}
OIDCClientSecret {client_secret}
OIDCRedirectURI {url}/private/callback
OIDCCryptoPassphrase passphrase
OIDCScope "openid profile email"
OIDCPKCEMethod S256
OIDCSessionType server-cache
Header set X-Email "%{{OIDC_CLAIM_email}}e"
<Location /private>
AuthType openid-connect
Require valid-user
</Location>
"""


@contextmanager
def apache(app: Application, port: int) -> Iterator[None]:
    """A folder that whoever Apache runs as may read."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o755)
    (folder / "site" / "private").mkdir(parents=True)
    (folder / "site" / "private" / "index.html").write_text("private")
    loads = [f"LoadModule {name}_module {MODULES / f'mod_{name}.so'}" for name in LOADED]
    users = ["User www-data", "Group www-data"] if os.geteuid() == 0 else []
    about = {"issuer": app.server.url, "client_id": app.id, "client_secret": app.secret}
    made = CONFIGURATION.format(folder=folder, port=port, url=f"http://127.0.0.1:{port}", **about)
    (folder / "apache.conf").write_text("\n".join([*loads, *users, made]))
    program = shutil.which("apache2") or "/usr/sbin/apache2"
    process = subprocess.Popen([program, "-d", str(folder), "-f", str(folder / "apache.conf"), "-DFOREGROUND"])
    try:

        def listens() -> bool:
            assert process.poll() is None, (folder / "errors").read_text()
            try:
                return httpx2.get(f"http://127.0.0.1:{port}/", timeout=60, **PLAIN).status_code > 0
            except httpx2.TransportError:
                return False

        wait_until(listens)
        yield
    finally:
        process.terminate()
        process.wait(60)
        shutil.rmtree(folder)


def test_apache_signs_people_in_and_out(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    private, callback, bye = f"{url}/private/", f"{url}/private/callback", f"{url}/bye"
    sign_in_to = {
        "redirect_urls": [callback],
        "post_logout_redirect_urls": [bye],
        "backchannel_logout_url": f"{callback}?logout=backchannel",
    }
    with (
        running(tmp_path / "data", "--rate-limit", "none", "--webhook-allow", "127.0.0.0/8") as server,
        server.http() as http,
        application(server, http, **sign_in_to) as app,
        apache(app, port),
        visitor(server) as browser,
    ):
        user = new_user(http)

        def enter() -> None:
            asked = browser.get(private).headers["location"]
            assert asked.startswith(f"{server.url}/oauth2/authorize?"), asked
            form = parameters_of(browser.get(asked).headers["location"])
            back = browser.get(sign_in(browser, user["email"], user["password"], next=form["next"]).headers["location"])
            done = browser.get(back.headers["location"])
            assert (done.status_code, done.headers["location"]) == (302, private), done.text
            assert browser.get(private).headers["x-email"] == user["email"]

        enter()
        out = browser.get(f"{callback}?{urlencode({'logout': bye})}").headers["location"]
        assert out.startswith(f"{server.url}/oauth2/logout?"), out
        assert browser.get(out).headers["location"].startswith(bye) and not is_signed_in(browser)
        assert browser.get(private).status_code == 302

        enter()
        assert http.post(f"/v1/users/{user['id']}/suspend").status_code == 200
        wait_until(lambda: browser.get(private).status_code == 302)
