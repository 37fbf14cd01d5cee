import {
	NodeApiError,
	NodeConnectionTypes,
	type IDataObject,
	type IHookFunctions,
	type IHttpRequestMethods,
	type INodeType,
	type INodeTypeDescription,
	type IWebhookFunctions,
	type IWebhookResponseData,
	type JsonObject,
} from 'n8n-workflow';

import { properties } from './options';
import { isSigned } from './signature';

interface Webhook {
	id: string;
	url: string;
	types: string[];
	status: string;
	secret?: string;
}

/** What n8n keeps of the webhook. */
interface Kept {
	webhookId?: string;
	secret?: string;
	asked?: string;
}

/** What the node asks for, as Rollbook's fields. */
function asked(context: IHookFunctions): IDataObject {
	return {
		url: context.getNodeWebhookUrl('default'),
		types: context.getNodeParameter('types') as string[],
		...(context.getNodeParameter('options', {}) as IDataObject),
	};
}

/** The answer to a call, or undefined if there is no such webhook. */
async function call<Answer>(
	context: IHookFunctions,
	method: IHttpRequestMethods,
	path: string,
	body?: IDataObject,
): Promise<Answer | undefined> {
	const { baseUrl } = await context.getCredentials<{ baseUrl: string }>('rollbookApi');
	try {
		return await context.helpers.httpRequestWithAuthentication.call(context, 'rollbookApi', {
			method,
			baseURL: baseUrl.replace(/\/+$/, ''),
			url: `/v1/webhooks${path}`,
			body,
			json: true,
		});
	} catch (error) {
		const failure = new NodeApiError(context.getNode(), error as JsonObject);
		if (failure.httpCode === '404') return undefined;
		throw failure;
	}
}

export class RollbookTrigger implements INodeType {
	description: INodeTypeDescription = {
		displayName: 'Rollbook Trigger',
		name: 'rollbookTrigger',
		icon: { light: 'file:../../icons/rollbook.svg', dark: 'file:../../icons/rollbook.dark.svg' },
		group: ['trigger'],
		version: 1,
		subtitle: '={{ $parameter["types"].join(", ") }}',
		description: 'Starts a workflow when something happens to a user or API key of Rollbook',
		defaults: {
			name: 'Rollbook Trigger',
		},
		inputs: [],
		outputs: [NodeConnectionTypes.Main],
		credentials: [
			{
				name: 'rollbookApi',
				required: true,
			},
		],
		webhooks: [
			{
				name: 'default',
				httpMethod: 'POST',
				responseMode: 'onReceived',
				path: 'webhook',
			},
		],
		properties,
	};

	webhookMethods = {
		default: {
			async checkExists(this: IHookFunctions): Promise<boolean> {
				const kept: Kept = this.getWorkflowStaticData('node');
				if (!kept.webhookId || !kept.secret) return false;
				const found = await call<Webhook>(this, 'GET', `/${kept.webhookId}`);
				if (!found) return false;
				if (kept.asked !== JSON.stringify(asked(this))) {
					await call(this, 'DELETE', `/${kept.webhookId}`);
					return false;
				}
				// Rollbook disables a webhook that failed for days: events of that time are still sent.
				if (found.status !== 'enabled') await call(this, 'PATCH', `/${kept.webhookId}`, { status: 'enabled' });
				return true;
			},

			async create(this: IHookFunctions): Promise<boolean> {
				const kept: Kept = this.getWorkflowStaticData('node');
				const wanted = asked(this);
				// What an n8n left behind that was stopped before it could delete its webhook. The URL is this node's own.
				const present = (await call<Webhook[]>(this, 'GET', '?user=me&limit=1000')) ?? [];
				for (const each of present.filter(({ url }) => url === wanted.url)) {
					await call(this, 'DELETE', `/${each.id}`);
				}
				const description = `n8n: ${this.getWorkflow().name ?? ''}`.slice(0, 255);
				const created = await call<Webhook>(this, 'POST', '', { ...wanted, description });
				kept.webhookId = created?.id;
				kept.secret = created?.secret;
				kept.asked = JSON.stringify(wanted);
				return kept.secret !== undefined;
			},

			async delete(this: IHookFunctions): Promise<boolean> {
				const kept: Kept = this.getWorkflowStaticData('node');
				if (kept.webhookId) await call(this, 'DELETE', `/${kept.webhookId}`);
				delete kept.webhookId;
				delete kept.secret;
				delete kept.asked;
				return true;
			},
		},
	};

	async webhook(this: IWebhookFunctions): Promise<IWebhookResponseData> {
		const { secret }: Kept = this.getWorkflowStaticData('node');
		const { rawBody } = this.getRequestObject() as { rawBody?: Buffer };
		if (!secret || !rawBody || !isSigned(rawBody, this.getHeaderData(), secret)) {
			this.getResponseObject().status(401).json({ message: 'The signature is missing, wrong or too old.' });
			return { noWebhookResponse: true };
		}
		return { workflowData: [this.helpers.returnJsonArray(JSON.parse(rawBody.toString('utf8')))] };
	}
}
