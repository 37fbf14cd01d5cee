"""The app of integrations/zapier in Zapier's test runner."""

from __future__ import annotations

import re
from pathlib import Path

from tests.harness import new_key, new_user, running
from tests.integrations.programs import ROOT, run

APP = ROOT / "integrations" / "zapier"
GUIDE = ROOT / "docs" / "integrations.md"


def test_the_app_does_what_it_says_on_a_real_server(tmp_path: Path) -> None:
    with (
        running(tmp_path / "data", "--rate-limit", "none", "--webhook-allow", "127.0.0.0/8") as server,
        server.http() as http,
    ):
        scopes = re.findall(r"--scopes (\S+)", GUIDE.read_text().partition("## Zapier")[2])[0].split(",")
        key = new_key(http, user_id=new_user(http, role="admin")["id"], scopes=scopes)
        run(["npm", "test"], APP, ROLLBOOK_URL=server.url, ROLLBOOK_KEY=key)
