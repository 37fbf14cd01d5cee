/* Theme switch, toasts, keyboard shortcuts, the palette, copy buttons, confirmation dialogs, unsaved edits, passwords, filters, lists, local times and tabs. Every page works without it. */
(() => {
  "use strict";
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  // Storage may be forbidden.
  const kept = (name) => { try { return localStorage.getItem(name); } catch {} };
  const keep = (name, value) => {
    try { localStorage.setItem(name, value); } catch {}
  };

  root.classList.add("js");
  const chosen = kept("theme");
  if (chosen === "light" || chosen === "dark") root.dataset.theme = chosen;

  const system = () => (dark.matches ? "dark" : "light");
  const theme = () => root.dataset.theme || system();
  function nameThemeSwitch() {
    for (const button of document.querySelectorAll("[data-theme-switch]")) {
      const name = theme() === "dark" ? button.dataset.light || "Use the light theme" : button.dataset.dark || "Use the dark theme";
      button.hidden = false;
      if (button.matches(".menu-item")) button.textContent = name;
      else button.setAttribute("aria-label", name);
    }
  }
  function switchTheme() {
    const next = theme() === "dark" ? "light" : "dark";
    root.dataset.theme = next;
    // The same as the system's theme: follow the system again.
    keep("theme", next === system() ? "" : next);
    nameThemeSwitch();
  }
  dark.addEventListener("change", nameThemeSwitch);

  let live;
  async function copy(button) {
    const from = button.dataset.copy ? document.querySelector(button.dataset.copy) : button.parentElement.querySelector("code, pre");
    if (!from) return;
    let done = true;
    try {
      await navigator.clipboard.writeText((from.value ?? from.textContent).trim());
    } catch {
      // The clipboard API is missing over plain http on another host.
      getSelection().selectAllChildren(from);
      done = document.execCommand("copy");
    }
    const copied = button.dataset.copied || "Copied", name = button.dataset.name ??= button.textContent;
    live.textContent = "";
    setTimeout(() => { live.textContent = done ? copied : "Selected: press Ctrl+C"; }, 50);
    button.textContent = done ? copied : "Selected";
    clearTimeout(button.timer);
    button.timer = setTimeout(() => { button.textContent = name; }, 2000);
  }

  // A button in a menu can't take the focus again once the menu is closed: the one that opened it does.
  const openerOf = (button) => {
    const menu = button?.closest("[popover]");
    return menu && document.querySelector(`[popovertarget="${CSS.escape(menu.id)}"]`);
  };
  const confirmed = new WeakSet();
  function ask(form, submitter) {
    const dialog = document.createElement("dialog");
    dialog.className = "dialog";
    const text = document.createElement("p");
    const effects = [...form.querySelectorAll(":checked[data-effects]")].flatMap((box) => box.dataset.effects.split("|"));
    text.textContent = [submitter?.dataset.confirm || form.dataset.confirm, ...new Set(effects)].join(" ");
    dialog.setAttribute("aria-label", text.textContent);
    const actions = document.createElement("form");
    actions.method = "dialog";
    actions.className = "actions";
    const yes = submitter?.textContent.trim() || "Continue";
    const kind = submitter?.classList.contains("danger") ? "danger" : "primary";
    for (const [value, label, look] of [["", "Cancel", "button"], ["yes", yes, "button " + kind]]) {
      const button = document.createElement("button");
      button.value = value;
      button.textContent = label;
      button.className = look;
      actions.append(button);
    }
    dialog.append(text);
    const list = submitter?.dataset.confirmLink || form.dataset.confirmLink;
    if (list) {
      const link = document.createElement("a");
      link.href = list;
      link.textContent = "Show the API keys";
      dialog.append(link);
    }
    dialog.append(actions);
    dialog.addEventListener("close", () => {
      dialog.remove();
      if (dialog.returnValue !== "yes") return (openerOf(submitter) ?? submitter)?.focus();
      confirmed.add(form);
      form.requestSubmit(submitter);
    });
    document.body.append(dialog);
    dialog.showModal();
  }

  const steps = [[60, "second"], [60, "minute"], [24, "hour"], [30, "day"], [12, "month"], [Infinity, "year"]];
  const words = new Intl.RelativeTimeFormat(root.lang, { numeric: "auto" });
  function relate() {
    for (const time of document.querySelectorAll("time[data-relative], [data-relative] time")) {
      let amount = (Date.parse(time.dateTime) - Date.now()) / 1000;
      if (Number.isNaN(amount)) continue;
      time.title ||= time.textContent;
      for (const [size, unit] of steps) {
        // Use the next unit when rounding would fill this one: no "60 seconds ago".
        if (Math.abs(Math.round(amount)) < size) {
          time.textContent = unit === "second" && amount > -45 && amount <= 0 ? (root.lang === "en" ? "just now" : words.format(0, unit)) : words.format(Math.round(amount), unit);
          break;
        }
        amount /= size;
      }
    }
  }

  // A button in the color that is chosen, with text in black or white, whichever has more contrast (WCAG 2.2).
  function preview(input) {
    const sample = document.querySelector(`[data-color-of="${input.id}"]`);
    const [red, green, blue] = [1, 3, 5].map((at) => (parseInt(input.value.slice(at, at + 2), 16) / 255) ** 2.2);
    sample.style.setProperty("--accent-fill", input.value);
    sample.style.setProperty("--accent-fill-hover", input.value);
    sample.style.setProperty("--on-accent", 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.18 ? "#000" : "#fff");
    sample.hidden = false;
  }

  // The server writes times in UTC. They are shown in the zone of the reader, with UTC as the title.
  const minutes = { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" };
  const seconds = { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit" };
  const milliseconds = { ...seconds, fractionalSecondDigits: 3 };
  function localize() {
    for (const time of document.querySelectorAll("time[data-local]")) {
      const at = new Date(time.dateTime);
      if (Number.isNaN(at.valueOf()) || (root.lang === "en" && !at.getTimezoneOffset())) continue;
      time.textContent = at.toLocaleString(root.lang === "en" ? "en-GB" : root.lang, { seconds, milliseconds }[time.dataset.local] ?? minutes);
    }
  }

  // On a narrow screen each row of a table is a card: its cells say what their column is.
  function label() {
    for (const table of document.querySelectorAll(".table > table")) {
      const names = [...(table.tHead?.rows[0]?.cells ?? [])].map((cell) => (cell.querySelector(".visually-hidden") ? "" : cell.textContent.trim()));
      for (const row of table.tBodies[0]?.rows ?? []) {
        [...row.cells].forEach((cell, at) => {
          if (!cell.textContent.trim() && !cell.querySelector("input, button, svg")) cell.classList.add("blank");
          else if (cell.colSpan === 1 && names[at]) cell.dataset.label = names[at];
        });
      }
    }
  }

  // Stays until it is dismissed; good news goes by itself, unless it is being read.
  function toast() {
    const found = document.querySelector(".toast");
    if (!found) return;
    found.querySelector("[data-dismiss]").hidden = false;
    // Screen readers read what changes.
    const text = found.querySelector("p").firstChild;
    const words = text.data;
    text.data = "";
    setTimeout(() => { text.data = words; }, 100);
    if (!found.classList.contains("ok") || found.querySelector("form")) return;
    const go = () => { if (!found.matches(":hover, :focus-within")) found.remove(); else setTimeout(go, 2000); };
    setTimeout(go, 10000);
  }

  // Single keys, unless something is being typed or the person has turned them off (WCAG 2.1.4).
  let lead = 0;
  function shortcut(event) {
    if (event.key === "Escape") document.querySelector(".toast")?.remove();
    if (!document.getElementById("palette")) return; // pages for customers have neither
    if (event.key === "k" && (event.ctrlKey || event.metaKey) && !document.querySelector("dialog[open]")) {
      event.preventDefault();
      return htmx.process(openDialog("palette"));
    }
    if (event.ctrlKey || event.metaKey || event.altKey || kept("shortcuts") === "off") return;
    if (event.target.closest?.("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]") || document.querySelector("dialog[open]")) return;
    const afterG = event.timeStamp - lead < 1500;
    lead = event.key === "g" ? event.timeStamp : 0;
    if (event.key === "?") return showShortcuts();
    const search = event.key === "/" && [...document.querySelectorAll("[type=search]")].find((each) => each.checkVisibility());
    const link = afterG && /^[a-z]$/.test(event.key) && document.getElementById("shortcuts").content.querySelector(`[data-go="${event.key}"]`);
    if (search) { search.focus(); search.select(); } else if (link) location.assign(link.getAttribute("href")); else return;
    event.preventDefault();
  }
  function showShortcuts() {
    const dialog = openDialog("shortcuts");
    dialog.querySelector("input").checked = kept("shortcuts") !== "off";
  }
  function openDialog(id) {
    document.body.append(document.getElementById(id).content.cloneNode(true));
    const dialog = document.body.lastElementChild;
    dialog.addEventListener("close", () => dialog.remove());
    dialog.showModal();
    return dialog;
  }

  const isKey = (text) => /^(rb[ko]|key)_/.test(text);
  // The palette: pages whose names have the words that are typed, people and groups, and below them what htmx finds in the docs.
  function filterPalette(dialog) {
    const text = dialog.querySelector("input").value.trim(), words = text.toLowerCase().split(/\s+/);
    for (const item of dialog.querySelectorAll(":scope > ul > li")) {
      const link = item.firstElementChild, query = link.dataset.query;
      item.hidden = query ? !text || isKey(text) : !words.every((word) => link.textContent.toLowerCase().includes(word));
      if (!query) continue;
      link.href = query + encodeURIComponent(text);
      link.querySelector("strong").textContent = text;
    }
    const people = dialog.querySelector("[data-people]");
    if (people) findPeople(people, text);
  }
  // Who was found for an earlier text can't be chosen any more, and no late answer takes the place of a newer one.
  let finding;
  async function findPeople(people, text) {
    finding?.abort();
    const { signal } = (finding = new AbortController());
    people.inert = true;
    let found = "";
    try {
      await new Promise((go) => setTimeout(go, 120));
      const response = text && !signal.aborted && (await fetch(people.dataset.people + encodeURIComponent(text), { signal, redirect: "error" }));
      if (response?.ok) found = await response.text();
    } catch { /* offline, signed out, or overtaken */ }
    if (signal.aborted) return;
    people.innerHTML = found;
    people.inert = false;
  }
  // Up and down through what is found, right and left through the actions of a person.
  function walkFound(box, event) {
    const input = box.querySelector("input"), here = document.activeElement, row = here.closest("li");
    const actions = row ? [row.querySelector("a"), ...row.querySelectorAll(".palette-actions :is(a, button)")] : [];
    const side = actions[actions.indexOf(here) + { ArrowRight: 1, ArrowLeft: -1 }[event.key]];
    const links = [...box.querySelectorAll("a")].filter((link) => link.checkVisibility() && !link.closest("[inert], .palette-actions"));
    const stops = [input, ...links], at = stops.indexOf(actions[0] ?? here), next = stops[at + { ArrowDown: 1, ArrowUp: -1 }[event.key]];
    if (event.key === "Enter" && at === 0 && box.matches(".palette")) stops[1]?.click();
    else if (side ?? next) (side ?? next).focus();
    else return;
    event.preventDefault();
  }

  function choose(sync, value) {
    for (const input of document.querySelectorAll(`.tabs[data-sync="${CSS.escape(sync)}"] > input`)) {
      if (input.value === value) input.checked = true;
    }
  }

  // Boxes of a list: one selects all on the page, and the bar says how many are.
  function countSelected(list) {
    const boxes = [...list.querySelectorAll("tbody [name=id]")];
    const count = boxes.filter((box) => box.checked).length;
    const all = list.querySelector("[data-select-all]");
    all.checked = count > 0 && count === boxes.length;
    all.indeterminate = count > 0 && !all.checked;
    const matching = list.querySelector("[name=all]:checked");
    list.querySelector("[data-selected]").textContent = live.textContent = `${matching ? "All" : count} selected`;
  }
  function select(list, box) {
    if (box.hasAttribute("data-select-all")) {
      for (const each of list.querySelectorAll("tbody [name=id]")) each.checked = box.checked;
    }
    countSelected(list);
  }

  // A row opens what its name links to, unless text is being selected.
  function open(row, event) {
    if (event.target.closest("a, button, input, label, .menu") || String(getSelection())) return;
    row.querySelector("th a")?.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true, ctrlKey: event.ctrlKey, metaKey: event.metaKey }));
  }

  // The button in a password field. Sent forms have hidden passwords again, so browsers remember them as passwords only.
  function showPassword(button, show) {
    document.getElementById(button.dataset.showPassword).type = show ? "text" : "password";
    button.setAttribute("aria-pressed", show);
  }

  // How many characters a new password still needs. The server counts code points too.
  function countPassword(input) {
    const hint = document.querySelector(`[data-least-of="${CSS.escape(input.id)}"]`);
    if (!hint) return;
    const length = [...input.value].length, missing = input.minLength - length;
    hint.hidden = !length;
    const { one = "1 more character needed.", other = "{n} more characters needed.", enough = "Long enough." } = hint.dataset;
    hint.textContent = missing > 1 ? other.replace("{n}", missing) : missing === 1 ? one : enough;
  }

  // Leaving a page with edits in a form marked data-unsaved asks first. "sent" marks edits that came back with an error.
  const saved = new WeakMap();
  const fields = (form) => new URLSearchParams(new FormData(form)).toString();
  function warnUnsaved(event) {
    for (const form of document.querySelectorAll("form[data-unsaved]")) {
      if (saved.has(form) && saved.get(form) !== fields(form)) event.preventDefault();
    }
  }
  function watchUnsaved() {
    for (const form of document.querySelectorAll("form[data-unsaved]")) {
      if (!saved.has(form)) saved.set(form, form.dataset.unsaved === "sent" ? "" : fields(form));
    }
  }

  // The bars of a plot show their numbers when they have the focus: the arrow keys go from one to the next, and the first tap of a finger
  // only shows them, so that a second one follows the link.
  function walkBars(event) {
    const bar = event.target.closest?.(".plot [tabindex]:not([aria-hidden])") ?? event.target.closest?.(".plot .column")?.querySelector("[tabindex]");
    if (!bar) return;
    const bars = [...bar.closest("svg").querySelectorAll("[tabindex]:not([aria-hidden])")];
    let next = bar;
    if (event.type === "keydown") {
      next = bars[{ ArrowLeft: bars.indexOf(bar) - 1, ArrowRight: bars.indexOf(bar) + 1, Home: 0, End: bars.length - 1 }[event.key]];
    } else if (event.pointerType !== "touch" || document.activeElement === bar) return;
    if (!next) return;
    event.preventDefault();
    for (const each of bars) each.setAttribute("tabindex", each === next ? "0" : "-1");
    next.focus();
  }

  function dress() {
    nameThemeSwitch();
    for (const button of document.querySelectorAll("[data-copy][hidden], [data-select-all][hidden], [data-show-password][hidden], [data-shortcuts][hidden], [data-print][hidden]")) button.hidden = false;
    relate();
    localize();
    document.querySelectorAll('input[type="color"]').forEach(preview);
    label();
    watchUnsaved();
    for (const sync of new Set([...document.querySelectorAll(".tabs[data-sync]")].map((tabs) => tabs.dataset.sync))) {
      const value = kept("tab-" + sync);
      if (value) choose(sync, value);
    }
  }

  document.addEventListener("keydown", walkBars);
  document.addEventListener("click", (event) => {
    walkBars(event);
    const button = event.target.closest?.("button");
    if (button?.hasAttribute("data-theme-switch")) switchTheme();
    else if (button?.hasAttribute("data-copy")) copy(button);
    else if (button?.hasAttribute("data-print")) print();
    else if (button?.hasAttribute("data-show-password")) showPassword(button, button.getAttribute("aria-pressed") !== "true");
    else if (button?.hasAttribute("data-shortcuts")) showShortcuts();
    else if (button?.hasAttribute("data-dismiss")) button.closest(".toast").remove();
    const row = event.target.closest?.(".openable tbody tr");
    if (row) open(row, event);
  });

  // In the capture phase, so that htmx doesn't send the form before the person has answered.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.dataset.confirm && !event.submitter?.dataset.confirm) return;
    if (confirmed.delete(form)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    ask(form, event.submitter);
  }, true);

  document.addEventListener("submit", (event) => {
    if (event.defaultPrevented) return;
    saved.delete(event.target);
    for (const button of event.target.querySelectorAll("[data-show-password]")) showPassword(button, false);
  });
  // In the capture phase, before htmx reads it: of an API key that is pasted into a search, only what lists show goes into URLs, histories and logs.
  document.addEventListener("input", ({ target }) => {
    if (target.type !== "search") return;
    const text = target.value.replace(/rb[ko]_[0-9A-Za-z]{5,}/g, (key) => key.slice(0, 8) + (key.length === 42 ? "…" + key.slice(-4) : ""));
    if (text !== target.value) target.value = text;
  }, true);
  document.addEventListener("input", (event) => {
    countPassword(event.target);
    if (event.target.type === "color") preview(event.target);
    const name = document.querySelector(`[data-text-of="${CSS.escape(event.target.id)}"]`);
    if (name) name.textContent = event.target.value.trim() || "Rollbook";
    const palette = event.target.closest(".palette");
    if (palette) filterPalette(palette);
  });
  addEventListener("beforeunload", warnUnsaved);

  document.addEventListener("change", (event) => {
    const input = event.target;
    const tabs = input.closest(".tabs[data-sync]");
    if (tabs && input.type === "radio") {
      keep("tab-" + tabs.dataset.sync, input.value);
      choose(tabs.dataset.sync, input.value);
    }
    // The usual port of an encryption, unless another one was typed.
    const port = input.name === "tls" && input.form?.elements.port;
    if (port && ["587", "465", "25"].includes(port.value)) port.value = { starttls: 587, implicit: 465, none: 25 }[input.value];
    if (input.id === "shortcuts-on") keep("shortcuts", input.checked ? "" : "off");
    const list = input.closest("[data-selection]");
    if (list && input.type === "checkbox") select(list, input);
    if (input.closest("[data-auto-submit]") && input.form) input.form.requestSubmit();
  });

  document.addEventListener("keydown", shortcut);
  document.addEventListener("keydown", (event) => {
    const box = event.target.closest?.(".palette, .docs-search");
    if (box) walkFound(box, event);
  });
  document.addEventListener("DOMContentLoaded", () => {
    document.querySelector("form[data-sends-itself]")?.submit();
    // Whoever signs out in one tab has signed out in all: none goes on showing what it showed.
    const session = new BroadcastChannel("session");
    if (location.pathname === "/account/sign-in") session.postMessage("ended");
    else if (document.querySelector('form[action="/account/sign-out"]')) session.onmessage = () => location.reload();
    // Times that are typed and plots are in this zone, of which the form that signs in tells the server. Only people who are signed in get the cookie.
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    if (document.getElementById("my-menu")) document.cookie = `rollbook-zone=${zone}; Path=/; Max-Age=2592000; SameSite=Lax`;
    for (const form of document.querySelectorAll("form[data-signs-in]")) {
      form.append(Object.assign(document.createElement("input"), { type: "hidden", name: "zone", value: zone }));
    }
    live = document.createElement("div");
    live.className = "visually-hidden";
    live.setAttribute("role", "status");
    document.body.append(live);
    dress();
    toast();
    setInterval(relate, 30000);
    // Scroll navigation bars to the current page.
    for (const here of document.querySelectorAll("nav [aria-current]")) {
      const nav = here.closest("nav"), { left, top } = here.getBoundingClientRect();
      nav.scrollLeft = left - 60;
      nav.scrollTop = top - nav.getBoundingClientRect().top - nav.clientHeight / 2;
    }
  });
  document.addEventListener("htmx:after:swap", () => {
    // A list that was replaced has nothing selected.
    if (live?.textContent.endsWith(" selected")) live.textContent = "";
    dress();
  });
})();
