"""The programs of the guide "TypeScript client" are accepted by the strictest compiler, and run."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

from tests import typescript_sdk
from tests.harness import running
from tests.typescript_sdk import ROOT

PAGE = (ROOT / "docs" / "sdk-typescript.md").read_text()
PROGRAMS = re.findall(r"^```ts\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
BEGIN = 'import { Rollbook } from "@rollbook/client";\n\nconst client = new Rollbook();\n'
# One after the other. The one that follows the log is over when it has printed an event.
RUN = """
import { POST } from "./program%(receiver)d.js";
const finished = new Promise((resolve) => {
  const { log } = console;
  console.log = (...values) => {
    log(...values);
    if (values[0] === "user.created") resolve();
  };
});
for (const number of %(numbers)s) await import(`./program${number}.js`);
console.log((await POST(new Request("http://localhost/", { method: "POST", body: "{}" }))).status);
import("./program%(follower)d.js");
const { program } = await import("./more.js");
await Promise.race([finished, program()]);
process.exit();
"""
MORE = """
import { Rollbook } from "@rollbook/client";

/** Creates users until the process ends: an event comes whenever the follower has connected. */
export async function program(): Promise<void> {
  const client = new Rollbook();
  for (let number = 0; number < 1000; number++) {
    await client.users.create({ name: "New", email: `new${number}@example.com`, password: "securepassword123" });
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("The program of the guide saw no event.");
}
"""


def test_the_programs_of_the_guide_run(tmp_path: Path) -> None:
    modules = tmp_path / "node_modules"
    (modules / "@rollbook").mkdir(parents=True)
    (modules / "@rollbook" / "client").symlink_to(typescript_sdk.built())
    (modules / "@types").symlink_to(ROOT / "node_modules" / "@types")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    options = {
        "target": "es2022",
        "module": "nodenext",
        "strict": True,
        "exactOptionalPropertyTypes": True,
        "noUncheckedIndexedAccess": True,
    }
    (tmp_path / "tsconfig.json").write_text(
        json.dumps({"compilerOptions": {**options, "types": ["node"]}, "include": ["*.ts"]})
    )
    with running(tmp_path / "data", "--rate-limit", "none") as server:
        for number, program in enumerate(PROGRAMS):
            text = program if "import " in program else BEGIN + program
            (tmp_path / f"program{number}.ts").write_text(text.replace("http://127.0.0.1:8000", server.url))
        (tmp_path / "more.ts").write_text(MORE)
        typescript_sdk.compile(tmp_path)
        (tmp_path / "users.csv").write_text("name,email\nErwin,erwin@example.com\nFelix,felix\n")
        [follower] = [number for number, program in enumerate(PROGRAMS) if "events.follow" in program]
        [receiver] = [number for number, program in enumerate(PROGRAMS) if "webhooks.verify" in program]
        numbers = [number for number in range(len(PROGRAMS)) if number not in (follower, receiver)]
        (tmp_path / "run.js").write_text(
            RUN % {"follower": follower, "receiver": receiver, "numbers": json.dumps(numbers)}
        )
        secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
        environment = os.environ | {"ROLLBOOK_URL": server.url, "ROLLBOOK_KEY": server.key, "WEBHOOK_SECRET": secret}
        done = subprocess.run(
            ["node", "run.js"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=200
        )
    assert done.returncode == 0, done.stdout + done.stderr
    for printed in (
        "Charlie Chaplin charlie@example.com",
        "Choose another email.",
        "1 of 1",
        "100 %",
        "1 added, 0 updated, 1 refused",
        "3 email ",
        "Exported up to ",
        "{ count: 5 }",
        "400",
        "user.created new",
    ):
        assert f"{printed}" in done.stdout, done.stdout
