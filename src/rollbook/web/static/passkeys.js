/* Passkeys: a form with `data-passkey` sends what the browser's authenticator has signed. Where there is none, it stays hidden. */
(() => {
  "use strict";
  if (!window.PublicKeyCredential) return;
  const FRESH = 4 * 60 * 1000; // ms: a challenge can be answered for five minutes
  const loaded = performance.now();

  const decode = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (each) => each.charCodeAt(0));
  const encode = (buffer) => buffer && btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const described = (all) => all?.map((each) => ({ ...each, id: decode(each.id) }));

  // A page that has been open for a while has a newer one's options.
  async function options(button) {
    let text = button.dataset.options;
    if (performance.now() - loaded > FRESH) {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      text = page.querySelector(`[data-passkey="${button.dataset.passkey}"]`)?.dataset.options ?? text;
    }
    const found = JSON.parse(text);
    found.challenge = decode(found.challenge);
    if (found.user) found.user.id = decode(found.user.id);
    if (found.excludeCredentials) found.excludeCredentials = described(found.excludeCredentials);
    if (found.allowCredentials) found.allowCredentials = described(found.allowCredentials);
    return found;
  }

  async function credential(button) {
    const publicKey = await options(button);
    const made = await (button.dataset.passkey === "create" ? navigator.credentials.create({ publicKey }) : navigator.credentials.get({ publicKey }));
    const { response } = made;
    // Not made.toJSON(), which some password managers leave out.
    return JSON.stringify({
      id: made.id,
      rawId: encode(made.rawId),
      type: made.type,
      response: response.attestationObject
        ? { clientDataJSON: encode(response.clientDataJSON), attestationObject: encode(response.attestationObject), transports: response.getTransports?.() ?? [] }
        : {
            clientDataJSON: encode(response.clientDataJSON),
            authenticatorData: encode(response.authenticatorData),
            signature: encode(response.signature),
            userHandle: encode(response.userHandle) ?? null,
          },
    });
  }

  document.addEventListener("DOMContentLoaded", () => {
    for (const each of document.querySelectorAll("[data-passkeys]")) each.hidden = false;
    for (const each of document.querySelectorAll("[data-passkeys-missing]")) each.hidden = true;
  });

  // A form that comes back with the browser's history may still hold what was signed.
  document.addEventListener("submit", (event) => {
    const field = event.target.querySelector("[data-passkey-credential]");
    if (field) field.disabled = true;
  });

  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.("button[data-passkey]");
    if (!button) return;
    event.preventDefault();
    const { form } = button;
    if (!form.reportValidity()) return;
    const problem = form.querySelector("[data-passkey-problem]");
    problem.hidden = true;
    button.disabled = true;
    try {
      const field = form.querySelector("[data-passkey-credential]");
      field.value = await credential(button);
      field.disabled = false;
      form.submit();
    } catch (error) {
      button.disabled = false;
      // Canceled, too late, or none of the passkeys fits: browsers don't tell which.
      problem.textContent = error.name === "InvalidStateError" ? problem.dataset.known : problem.dataset.failed;
      problem.hidden = false;
    }
  });
})();
