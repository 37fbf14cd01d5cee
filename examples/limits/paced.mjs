const base = "http://127.0.0.1:8000";
const sleep = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));
const now = () => performance.now() / 1000;
let notBefore = 0;

/** The response to a request, within the rate limit. */
async function call(path, options = {}, tries = 5) {
  await sleep(Math.max(0, notBefore - now()));
  const headers = { Authorization: `Bearer ${process.env.ROLLBOOK_KEY}`, ...options.headers };
  const answer = await fetch(base + path, { ...options, headers });
  const left = Number(answer.headers.get("RateLimit-Remaining") ?? 1);
  const reset = Number(answer.headers.get("RateLimit-Reset") ?? 1);
  // While there is plenty, don't wait.
  if (left < 10) notBefore = now() + reset / (left + 1);
  if (answer.ok) return answer;
  if (![429, 503].includes(answer.status) || tries === 1) throw new Error(`${answer.status}: ${await answer.text()}`);
  // Others may use the same limit, so don't all come back at once.
  notBefore = now() + Number(answer.headers.get("Retry-After") ?? 1) + Math.random();
  return call(path, options, tries - 1);
}

for (const { id } of await (await call("/v1/users?limit=1000")).json())
  console.log((await (await call(`/v1/users/${id}`)).json()).email);
