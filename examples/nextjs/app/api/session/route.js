import { currentSession, handler, person, rollbook, signIn } from "../../../lib/rollbook.js";

/** Sign in. */
export const POST = handler(async (request) => Response.json(person(await signIn(request, await request.json()))));

export const GET = handler(async () => {
  const session = await currentSession();
  return session ? Response.json(person(session)) : Response.json({ error: "Sign in first." }, { status: 401 });
});

/** Sign out. */
export const DELETE = handler(async () => {
  const session = await currentSession();
  if (session) await rollbook.sessions.end(session.id);
  return new Response(null, { status: 204 });
});
