/* Starts Swagger UI on /docs/api with our OpenAPI description and without requests to other sites. */
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
    // Swagger UI uses the URL fragment for itself, so handle the skip link here.
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
      // A key entered here is forgotten when the page closes.
      persistAuthorization: false,
      tryItOutEnabled: false,
    });
  });
})();
