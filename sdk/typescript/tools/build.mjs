// Compiles the package: for `npm pack` in this folder, and for `npm install` of this folder. With the compiler that is there,
// of this folder or of the clone; otherwise with the one that npm fetches for this once.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL("..", import.meta.url));
const { devDependencies } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));

function compiler() {
  try {
    return [process.execPath, createRequire(import.meta.url).resolve("typescript/bin/tsc")];
  } catch {
    return ["npm", "exec", "--yes", `--package=typescript@${devDependencies.typescript}`, "--", "tsc"];
  }
}

const [program, ...start] = compiler();
const isShell = process.platform === "win32" && program === "npm";
const done = spawnSync(program, [...start, "--project", "tsconfig.json"], { cwd: folder, stdio: "inherit", shell: isShell });
if (done.error) console.error(`The package can't be compiled: ${done.error.message}`);
process.exit(done.status ?? 1);
