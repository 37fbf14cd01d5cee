import { handler, send } from "../../../lib/rollbook.js";

export const POST = handler(async (request) => {
  const { email } = await request.json();
  await send(request, "reset_password", email);
  return new Response(null, { status: 202 });
});
