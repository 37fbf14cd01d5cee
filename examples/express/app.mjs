import { escapeHtml, signIn } from "@rollbook/client/express";
import express from "express";

const app = express();
const shop = signIn({ url: process.env.SHOP_URL });
app.use(shop.pages);

app.get("/", shop.required, (request, response) => {
  const name = escapeHtml(shop.user(request).name);
  response.send(`<h1>Hello, ${name}</h1> <form method=post action=/sign-out><button>Sign out</button></form>`);
});

app.listen(process.env.PORT ?? 5000, "127.0.0.1");
