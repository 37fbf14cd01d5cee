import { escapeHtml } from "@rollbook/client/fetch";
import { shop } from "../lib/shop.js";

export const GET = shop.required((request, user) => {
  const page = `<h1>Hello, ${escapeHtml(user.name)}</h1> <form method=post action=/sign-out><button>Sign out</button></form>`;
  return new Response(page, { headers: { "Content-Type": "text/html; charset=utf-8" } });
});
