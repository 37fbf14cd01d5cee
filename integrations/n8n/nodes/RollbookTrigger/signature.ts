import { createHmac, timingSafeEqual } from 'node:crypto';

/** Seconds that the clocks of Rollbook and n8n may differ, and how old a request may be. */
export const TOLERANCE = 5 * 60;

type Headers = Record<string, string | string[] | undefined>;

/**
 * Whether a request has a signature of Standard Webhooks 1.0 with this secret, and is recent.
 *
 * `body` must have the bytes that arrived: JSON that was parsed and written again has other signatures. During the
 * rotation of a secret, a request has several signatures, of which one must match.
 */
export function isSigned(
	body: Buffer,
	headers: Headers,
	secret: string,
	now: number = Date.now() / 1000,
): boolean {
	const id = headers['webhook-id'];
	const timestamp = headers['webhook-timestamp'];
	const signatures = headers['webhook-signature'];
	if (typeof id !== 'string' || typeof timestamp !== 'string' || typeof signatures !== 'string') return false;
	if (!/^\d{1,15}$/.test(timestamp) || Math.abs(now - Number(timestamp)) > TOLERANCE) return false;
	const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
	if (key.length === 0) return false;
	const expected = createHmac('sha256', key)
		.update(`${id}.${timestamp}.`)
		.update(body)
		.digest();
	return signatures.split(' ').some((each) => {
		const [version, signature = ''] = each.split(',', 2);
		const given = Buffer.from(signature, 'base64');
		return version === 'v1' && given.length === expected.length && timingSafeEqual(given, expected);
	});
}
