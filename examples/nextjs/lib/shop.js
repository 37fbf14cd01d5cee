import { signIn } from "@rollbook/client/fetch";

/** Your proxy has appended the address of the person. What stands before it is written by the client. */
const address = (request) => request.headers.get("x-forwarded-for")?.split(",").at(-1)?.trim();

export const shop = signIn({ url: process.env.SHOP_URL, address });
