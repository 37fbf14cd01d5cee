import { currentSession, handler, send } from "../../../lib/rollbook.js";

/** Send the link with which an email is confirmed again. */
export const POST = handler(async (request) => {
  const session = await currentSession();
  if (session) await send(request, "verify_email", session.user.email);
  return new Response(null, { status: 202 });
});
