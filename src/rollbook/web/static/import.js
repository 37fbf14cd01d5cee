/* The form for a new import: shows what the chosen file holds, and sends it without leaving the page, which has it for the import after the dry run. */
(() => {
  "use strict";
  const PREVIEWED = 262144;
  const form = document.getElementById("import");
  const file = form.elements.file;
  const preview = document.getElementById("preview");
  const sending = document.getElementById("sending");
  const result = document.getElementById("result");
  let asked = 0;
  let upload;

  // app.js names the columns in the cells of a table, for phones, and shows times in the zone of the reader.
  const dress = () => document.dispatchEvent(new Event("htmx:after:swap"));

  // The file comes last: the server needs the other fields before it.
  function fields(content) {
    const data = new FormData();
    for (const [name, value] of new FormData(form)) if (name !== "file") data.append(name, value);
    data.append("file", content, file.files[0].name);
    return data;
  }

  async function look() {
    const number = ++asked;
    if (!file.files.length) return preview.replaceChildren();
    let html;
    try {
      const answer = await fetch("/admin/imports/preview", { method: "POST", body: fields(file.files[0].slice(0, PREVIEWED)), headers: { "HX-Request": "true" } });
      if (!answer.headers.get("Content-Type")?.startsWith("text/html")) return;
      html = await answer.text();
    } catch {
      return; // the server says more when the file is sent
    }
    if (number !== asked) return;
    const focused = document.activeElement.id;
    preview.innerHTML = html;
    dress();
    if (focused) document.getElementById(focused)?.focus();
  }

  function send(action) {
    upload?.abort();
    upload = new XMLHttpRequest();
    upload.open("POST", action);
    upload.setRequestHeader("HX-Request", "true");
    upload.upload.addEventListener("progress", (event) => { sending.querySelector("progress").value = event.loaded / (event.total || 1); });
    upload.addEventListener("loadend", ended);
    change();
    preview.querySelector(":scope > [role=alert]")?.remove(); // what is said about the file next says it again
    sending.hidden = false;
    upload.send(fields(file.files[0]));
  }

  function change() {
    form.hidden = false;
    result.replaceChildren();
  }

  function ended() {
    sending.hidden = true;
    const to = upload.getResponseHeader("HX-Redirect");
    if (to) return location.assign(to);
    // To load the page again shows the dry run.
    history.replaceState(null, "", upload.getResponseHeader("HX-Replace-Url") ?? "/admin/imports/new");
    if (upload.getResponseHeader("Content-Type")?.startsWith("text/html")) {
      result.innerHTML = upload.responseText;
      htmx.process(result);
      dress();
      form.hidden = upload.status === 200; // the result of a dry run takes its place
    } else {
      result.innerHTML = '<div class="notice bad" role="alert"><p></p></div>';
      result.querySelector("p").textContent = reason();
    }
    result.focus();
  }

  function reason() {
    try {
      return JSON.parse(upload.responseText).detail;
    } catch {
      return "The file could not be sent. If it was changed after you chose it, choose it again.";
    }
  }

  result.addEventListener("click", (event) => {
    if (!event.target.closest("[data-change]")) return;
    change();
    history.replaceState(null, "", "/admin/imports/new");
    form.elements.source.focus();
  });
  file.addEventListener("change", () => { preview.replaceChildren(); look(); });
  form.addEventListener("change", (event) => { if (event.target !== file && (["source", "unknown_hashes"].includes(event.target.name) || event.target.closest("#preview"))) look(); });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(event.submitter.formAction);
  });
})();
