import { handler, person, rollbook, send, signIn } from "../../../lib/rollbook.js";

/** Sign up. */
export const POST = handler(async (request) => {
  const { name, email, password } = await request.json();
  await rollbook.users.create({ name, email, password });
  await send(request, "verify_email", email);
  return Response.json(person(await signIn(request, { email, password })), { status: 201 });
});
