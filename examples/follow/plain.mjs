import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";

const url = "http://127.0.0.1:8000/v1/events/stream?type=user.*";
const place = "last-event-id";

function handle(event) {
  console.log(event.type, event.id);
}

async function follow() {
  const headers = { Authorization: `Bearer ${process.env.ROLLBOOK_KEY}` };
  if (existsSync(place)) headers["Last-Event-ID"] = readFileSync(place, "utf8");
  const response = await fetch(url, { headers });
  if (!response.ok) {
    console.log(await response.text());
    if (response.status < 500 && response.status !== 429) process.exit(1);
    return;
  }
  let text = "";
  for await (const part of response.body.pipeThrough(new TextDecoderStream())) {
    text += part;
    const messages = text.split("\n\n");
    text = messages.pop();
    for (const message of messages) {
      const lines = message.split("\n");
      const values = (name) => lines.filter((line) => line.startsWith(`${name}: `)).map((line) => line.slice(name.length + 2));
      const data = values("data").join("");
      const kind = values("event")[0] ?? "";
      if (kind === "end") console.log(JSON.parse(data).error);
      else if (kind.includes(".")) handle(JSON.parse(data));
      for (const id of values("id")) {
        writeFileSync(`${place}.new`, id);
        renameSync(`${place}.new`, place); // in one step, since the program can be killed at any time
      }
    }
  }
}

for (;;) {
  try {
    await follow();
  } catch {
    // the connection was lost
  }
  await new Promise((resolve) => setTimeout(resolve, 1000));
}
