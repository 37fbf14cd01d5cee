import type { IDataObject, IN8nRequestOperationPaginationGeneric } from 'n8n-workflow';

// Only the path and query of the link: a key must never go to a host that a response names.
const next = '($response.headers?.link ?? "").match(/<[^>]*?(\\/v1\\/[^>]*)>; *rel="?next/)?.[1]';

/** Follows the links of a list until there is no next page. */
export const pages: IN8nRequestOperationPaginationGeneric = {
	type: 'generic',
	properties: {
		continue: `={{ Boolean(${next}) }}`,
		request: {
			url: `={{ ${next} ?? $request.url }}`,
			qs: `={{ ${next} ? {} : $request.qs }}` as unknown as IDataObject,
		},
	},
};

/**
 * The same when a node tries again, and another in each run and for each item: a user is created once, even if the
 * answer was lost. Some runs have no number.
 */
export const idempotencyKey =
	'={{ /^\\d+$/.test($execution.id) ? `n8n-${$execution.id}-${$nodeId}-${$runIndex}-${$itemIndex}` : `n8n-${Date.now()}-${Math.random()}` }}';

/**
 * A time in UTC. A text without a zone is in that of the workflow; what an expression such as `$now` returns reaches us
 * without its methods. What is no time is sent as it is, to be refused.
 */
export const time =
	'={{ (typeof $value === "object" ? DateTime.fromMillis(Number($value.ts ?? $value)) : DateTime.fromISO($value)).toUTC().toISO() ?? String($value) }}';
