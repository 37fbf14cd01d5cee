/* "Try it" under the examples: sends the request and shows the response, its body first. A key entered here stays in this script's memory,
   and so that it lasts for the whole visit, links to other pages of the docs then replace the text of this page instead of the page. */
(() => {
  "use strict";
  const FIRST = ["ratelimit", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "ratelimit-policy", "retry-after"];
  // Where the reader's own things are, by the beginning of their IDs.
  const OWN = { user: "/v1/users/me", key: "/v1/keys?limit=1", ses: "/v1/sessions?limit=1", webhook: "/v1/webhooks?limit=1", evt: "/v1/events?limit=1&order=desc", req: "/v1/requests?limit=1", imp: "/v1/imports?limit=1" };
  const ID = /\b(user|key|ses|webhook|evt|req|imp)_[0-9a-z]{10,}/g;
  // These take something away from whom they are about: they ask first, and nothing of the reader's is filled in.
  const TAKES_AWAY = /\/(suspend|rotate|rotate-secret|pause|cancel|bulk|password)(\?|$)/;
  let key = "";
  let own = {};
  let count = 0;

  const make = (tag, text, className) => {
    const found = document.createElement(tag);
    if (text !== undefined) found.textContent = text;
    if (className) found.className = className;
    return found;
  };
  const fields = (form, name) => form.elements.namedItem(name);
  const part = (form, name) => form.querySelector(`[data-part="${name}"]`);

  function open(place, button) {
    const form = document.getElementById("try-form").content.firstElementChild.cloneNode(true);
    // Each label needs its own field, and IDs must be unique on the page.
    for (const field of form.querySelectorAll(".field")) {
      const input = field.querySelector("input, select, textarea");
      input.id = `try-${++count}`;
      field.querySelector("label").htmlFor = input.id;
    }
    fields(form, "method").value = place.dataset.method;
    fields(form, "path").value = place.dataset.path;
    fields(form, "headers").value = place.dataset.headers;
    fields(form, "headers").rows = Math.max(1, place.dataset.headers.split("\n").length);
    fields(form, "body").value = place.dataset.body;
    if (place.dataset.body) fields(form, "body").rows = Math.min(14, place.dataset.body.split("\n").length + 1);
    if (place.dataset.needsKey === undefined) part(form, "key").remove();
    else fields(form, "key").value = key;
    showBody(form);
    form.dataset.example = place.dataset.path;
    for (const name of ["method", "path"]) fields(form, name).addEventListener("input", () => { showBody(form); askFirst(form); });
    fields(form, "key")?.addEventListener("input", (event) => { key = event.target.value.trim(); own = {}; });
    fields(form, "key")?.addEventListener("change", fillAll);
    askFirst(form);
    form.addEventListener("submit", (event) => { event.preventDefault(); send(form); });
    const box = part(form, "own");
    if (box && !fields(form, "key")) box.remove();
    else if (box) dressOwn(form, box);
    place.append(form);
    fillIds(form);
    button.setAttribute("aria-expanded", "true");
    (fields(form, "key") ?? fields(form, "path")).focus({ preventScroll: true });
  }

  function takesAway(form) {
    return fields(form, "method").value === "DELETE" || TAKES_AWAY.test(fields(form, "path").value);
  }

  function askFirst(form) {
    const path = fields(form, "path").value;
    if (takesAway(form)) form.dataset.confirm = `Send ${fields(form, "method").value} ${path}? It changes real data.`;
    else delete form.dataset.confirm;
  }

  // The IDs of the example are somebody else's: with a key, the reader's own take their place.
  async function fillIds(form) {
    const path = fields(form, "path");
    if (!key || path.value !== form.dataset.example || takesAway(form)) return;
    const kinds = new Set([...path.value.matchAll(ID)].map((found) => found[1]));
    await Promise.all([...kinds].map(async (kind) => { own[kind] ??= await ownId(kind); }));
    if (path.value === form.dataset.example) path.value = path.value.replace(ID, (id, kind) => own[kind] || id);
  }

  async function ownId(kind) {
    try {
      const response = await fetch(OWN[kind], { headers: { Authorization: `Bearer ${key}` }, credentials: "omit", cache: "no-store" });
      const found = await response.json();
      return (Array.isArray(found) ? found[0] : found)?.id ?? "";
    } catch {
      return "";
    }
  }

  function fillAll() {
    for (const form of document.querySelectorAll(".try-form")) fillIds(form);
  }

  function showBody(form) {
    part(form, "body").hidden = ["GET", "DELETE"].includes(fields(form, "method").value) && !fields(form, "body").value;
  }

  function headersOf(form, body) {
    const headers = new Headers();
    for (const line of fields(form, "headers").value.split("\n")) {
      const at = line.indexOf(":");
      if (at > 0) headers.set(line.slice(0, at).trim(), line.slice(at + 1).trim());
    }
    const given = fields(form, "key")?.value.trim();
    if (given) headers.set("Authorization", `Bearer ${given}`);
    if (body !== undefined) headers.set("Content-Type", "application/json");
    return headers;
  }

  async function send(form) {
    const answer = part(form, "answer");
    const button = form.querySelector("[type=submit]");
    const method = fields(form, "method").value;
    const body = method === "GET" || !fields(form, "body").value.trim() ? undefined : fields(form, "body").value;
    button.disabled = true;
    answer.setAttribute("aria-busy", "true");
    try {
      const url = new URL(fields(form, "path").value, location.origin);
      if (url.origin !== location.origin) throw new Error("The path leads to another server.");
      const began = performance.now();
      // Without the cookie: exactly what a program would send.
      const response = await fetch(url, { method, headers: headersOf(form, body), body, credentials: "omit", cache: "no-store", redirect: "manual" });
      const text = await response.text();
      show(answer, response, text, performance.now() - began);
    } catch (problem) {
      answer.replaceChildren(make("p", `Request not sent: ${problem.message}`, "problem"));
    } finally {
      button.disabled = false;
      answer.removeAttribute("aria-busy");
    }
  }

  function show(place, response, text, took) {
    const head = make("p", undefined, "answer-head");
    const kind = response.status < 400 ? "ok" : response.status === 429 ? "warn" : "bad";
    head.append(make("span", `${response.status} ${response.statusText}`.trim(), `badge ${kind}`), make("span", `${took.toFixed(0)} ms`, "muted"));
    const list = make("dl", undefined, "try-fields");
    const order = (name) => (FIRST.indexOf(name) + 1 || FIRST.length + 1);
    const found = [...response.headers].sort(([a], [b]) => order(a) - order(b) || (a < b ? -1 : 1));
    for (const [name, value] of found) {
      list.append(make("dt", name, FIRST.includes(name) ? "limit" : ""), make("dd", value));
    }
    const more = make("details", undefined, "try-headers");
    more.append(make("summary", `${found.length} response headers`), list);
    place.replaceChildren(head);
    if (text) {
      const pre = make("pre");
      pre.tabIndex = 0;
      pre.append(make("code", pretty(text, response.headers.get("content-type") ?? "")));
      const code = make("div", undefined, "code");
      code.append(pre);
      place.append(code);
    }
    place.append(more);
  }

  function pretty(text, kind) {
    if (!kind.includes("json")) return text;
    try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text; }
  }

  // ---- "Use my key": the server reveals it to who has just proven who they are; it goes into the key fields and nowhere else

  function dressOwn(form, box) {
    const choice = fields(form, "own");
    box.addEventListener("toggle", async () => {
      if (!box.open || choice.options.length) return;
      try {
        const response = await fetch("/docs/key", { headers: { Accept: "application/json" }, redirect: "manual" });
        if (!response.ok) throw new Error((await problemOf(response)) || "Your session has expired. Sign in again.");
        const keys = await response.json();
        if (!keys.length) throw new Error("You have no API key that can be revealed. Create one in your account settings.");
        for (const each of keys) choice.append(new Option(`${each.name} (${each.masked})`, each.id));
      } catch (problem) {
        say(form, problem.message);
      }
    });
    box.querySelector("[data-own-fill]").addEventListener("click", () => fill(form, box));
  }

  async function fill(form, box) {
    say(form, "");
    const sent = new URLSearchParams({ key: fields(form, "own").value });
    try {
      const response = await fetch("/docs/key", { method: "POST", body: sent, headers: { Accept: "application/json" }, redirect: "manual" });
      if (response.status === 403) return confirmFirst(form);
      if (!response.ok) throw new Error((await problemOf(response)) || "Couldn’t get the key.");
      key = (await response.json()).key;
      own = {};
    } catch (problem) {
      return say(form, problem.message);
    }
    for (const input of document.querySelectorAll(".try-form [name=key]")) input.value = key;
    fillAll();
    box.open = false;
    form.querySelector("[type=submit]").focus();
  }

  function confirmFirst(form) {
    const link = make("a", "Confirm that it’s you");
    link.href = `/account/confirm?next=${encodeURIComponent(location.pathname)}`;
    say(form, "It’s more than 10 minutes since you signed in. ");
    part(form, "own-problem").append(link, ", then try again.");
  }

  async function problemOf(response) {
    try { return (await response.json()).error; } catch { return ""; }
  }

  function say(form, text) {
    const place = part(form, "own-problem");
    place.textContent = text;
    place.hidden = !text;
  }

  // ---- from page to page

  let here = location.pathname + location.search;

  async function go(url, top = 0) {
    const wanted = here = url.pathname + url.search;
    try {
      const response = await fetch(url, { headers: { Accept: "text/html" } });
      const page = new DOMParser().parseFromString(await response.text(), "text/html"), shell = page.querySelector(".shell");
      if (here !== wanted) return;
      if (!response.ok || !shell.querySelector(".docs-side")) throw new Error();
      document.title = page.title;
      document.querySelector(".shell").replaceWith(shell);
      htmx.process(shell);
      document.dispatchEvent(new Event("htmx:after:swap"));
      offer();
      // A screen reader goes on here, as on a page that was just loaded.
      shell.querySelector("main").focus({ preventScroll: true });
      const target = document.getElementById(decodeURIComponent(url.hash.slice(1)));
      if (target) target.scrollIntoView();
      else scrollTo(0, top);
    } catch {
      location.assign(url);
    }
  }

  function visit(url, event) {
    const isDocs = url.origin === location.origin && /^\/docs(\/|$)/.test(url.pathname) && !url.pathname.endsWith(".md");
    if (!key || event.defaultPrevented || !isDocs || url.pathname + url.search === here) return;
    event.preventDefault();
    history.replaceState({ top: scrollY }, "");
    history.pushState(null, "", url);
    go(url);
  }

  function follow(event) {
    const link = event.target.closest?.("a[href]:not(dialog *)");
    if (link && !event.button && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey) visit(new URL(link.href), event);
  }

  // ----

  function offer() {
    for (const button of document.querySelectorAll("[data-try-open]")) button.hidden = false;
  }

  offer();
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-try-open]");
    if (!button) return follow(event);
    const place = button.closest("[data-try]");
    const form = place.querySelector("form");
    if (!form) return open(place, button);
    form.hidden = !form.hidden;
    button.setAttribute("aria-expanded", String(!form.hidden));
  });
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.matches(".docs-search")) visit(new URL(`${form.action}?${new URLSearchParams(new FormData(form))}`), event);
  });
  addEventListener("popstate", (event) => {
    if (location.pathname + location.search !== here) go(new URL(location), event.state?.top);
  });
  addEventListener("pagehide", () => { key = ""; for (const input of document.querySelectorAll(".try-form input[type=password]")) input.value = ""; });
})();
