/* Starts Swagger UI on /docs/api: over our own description, without what it would fetch from elsewhere. */
(() => {
  "use strict";
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  let chosen = null;
  try { chosen = localStorage.getItem("theme"); } catch { /* storage may be forbidden */ }
  const paint = () => root.classList.toggle("dark-mode", chosen ? chosen === "dark" : dark.matches);
  dark.addEventListener("change", paint);
  paint();

  addEventListener("DOMContentLoaded", () => {
    // Swagger UI keeps the part of the address behind # to itself, so the skip link is followed here.
    document.querySelector(".skip-link").addEventListener("click", (event) => {
      event.preventDefault();
      document.getElementById("reference").focus();
    });
    SwaggerUIBundle({
      url: "/openapi.json",
      dom_id: "#reference",
      deepLinking: true,
      docExpansion: "list",
      defaultModelsExpandDepth: 0,
      displayRequestDuration: true,
      validatorUrl: null,
      // A key given here is kept by the page and gone with it.
      persistAuthorization: false,
      tryItOutEnabled: false,
    });
  });
})();
