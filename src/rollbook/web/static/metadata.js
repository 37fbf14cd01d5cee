/* The metadata of a user as rows of key, type and value. Its JSON field stays what is sent, and is all there is without this script. */
(() => {
  "use strict";
  const NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?(e[+-]?\d+)?$/i;
  const KINDS = {
    text: [(value) => JSON.stringify(value), () => ""],
    number: [(value) => value.trim(), (value) => (NUMBER.test(value) ? "" : "Enter a number, such as 12 or 0.5.")],
    boolean: [(value) => value.trim(), (value) => (/^(true|false)$/.test(value) ? "" : "Enter true or false.")],
    json: [(value) => value.trim(), (value) => (parsed(value) === undefined ? "Enter JSON: null, a list or an object." : "")],
  };
  const parsed = (text) => { try { return JSON.parse(text); } catch { return undefined; } };
  const kindOf = (raw) => (raw[0] === '"' ? "text" : NUMBER.test(raw) ? "number" : /^(true|false)$/.test(raw) ? "boolean" : "json");

  // Keys and values of an object, the values as they are written: JSON.parse would round large numbers. Nothing where it is no object.
  function members(text) {
    const whole = parsed(text.trim() || "{}");
    if (!whole || typeof whole !== "object" || Array.isArray(whole)) return;
    const found = [];
    let depth = 0, key, from;
    for (const { 0: token, index } of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\]:,]/g)) {
      if (token === "}" || token === "]") depth -= 1;
      if (from !== undefined && (depth === 0 || (depth === 1 && token === ","))) {
        found.push([key, text.slice(from, index).trim()]);
        from = undefined;
      } else if (depth === 1 && from === undefined) {
        if (token === ":") from = index + 1;
        else key = token;
      }
      if (token === "{" || token === "[") depth += 1;
    }
    return found.map(([name, raw]) => [JSON.parse(name), raw.replaceAll("\n  ", "\n")]);
  }

  function edit(box) {
    const area = box.querySelector("textarea");
    const list = box.querySelector("[data-rows]"), template = box.querySelector("template");
    const add = box.querySelector("[data-add]"), swap = box.querySelector("[data-swap]");
    const part = (row, name) => row.querySelector(`[data-part=${name}]`);

    function append(name = "", raw = '""') {
      const row = template.content.firstElementChild.cloneNode(true), kind = kindOf(raw);
      part(row, "key").value = name;
      part(row, "kind").value = kind;
      part(row, "value").value = kind === "text" ? JSON.parse(raw) : raw;
      list.append(row);
      return row;
    }

    // What the rows say, as JSON; and beside each row what is wrong with it, which keeps the form from being sent.
    function write() {
      const seen = new Set(), lines = [];
      for (const row of list.children) {
        const [key, kind, value] = ["key", "kind", "value"].map((name) => part(row, name));
        const [written, problemOf] = KINDS[kind.value];
        const name = key.value || "new key", problem = problemOf(value.value.trim());
        key.setCustomValidity(!key.value ? "Enter a key, or remove this row." : seen.has(key.value) ? `Another row has the key ${name}.` : "");
        value.setCustomValidity(problem && `${name}: ${problem}`);
        kind.ariaLabel = `Type of ${name}`;
        value.ariaLabel = `Value of ${name}`;
        part(row, "remove").ariaLabel = `Remove ${name}`;
        seen.add(key.value);
        lines.push(`  ${JSON.stringify(key.value)}: ${written(value.value).replaceAll("\n", "\n  ")}`);
      }
      return lines.length ? `{\n${lines.join(",\n")}\n}` : "";
    }

    function show(asRows) {
      const found = asRows ? members(area.value) : [];
      if (!found) {
        area.setCustomValidity("Fix the JSON first: it must be an object.");
        return area.reportValidity();
      }
      list.replaceChildren();
      for (const [name, raw] of found) append(name, raw);
      write();
      area.hidden = asRows;
      list.hidden = add.hidden = !asRows;
      swap.textContent = asRows ? "Edit as JSON" : "Edit as rows";
      swap.hidden = false;
    }

    function change() { area.value = write(); }
    list.addEventListener("input", change);
    list.addEventListener("click", (event) => {
      const row = event.target.closest("[data-part=remove]") && event.target.closest("[data-row]");
      if (!row) return;
      const next = row.nextElementSibling ?? row.previousElementSibling;
      row.remove();
      change();
      (next ? part(next, "key") : add).focus();
    });
    add.addEventListener("click", () => { const row = append(); change(); part(row, "key").focus(); });
    area.addEventListener("input", () => area.setCustomValidity(""));
    swap.addEventListener("click", () => { show(area.hidden === false); if (!area.hidden) area.focus(); });
    // A problem names a line of the JSON.
    if (area.ariaInvalid !== "true" && members(area.value)) show(true);
    else show(false);
  }

  for (const box of document.querySelectorAll("[data-metadata]")) edit(box);
})();
