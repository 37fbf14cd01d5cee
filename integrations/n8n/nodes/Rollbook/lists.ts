import type {
	IDataObject,
	ILoadOptionsFunctions,
	INodeListSearchItems,
	INodeListSearchResult,
} from 'n8n-workflow';

interface Named {
	id: string;
	name: string;
	email?: string;
}

/** A page of a list to choose from; `cursor` is the number of entries before it. */
async function search(
	context: ILoadOptionsFunctions,
	url: string,
	query: IDataObject,
	cursor?: string,
): Promise<INodeListSearchResult> {
	const { baseUrl } = await context.getCredentials<{ baseUrl: string }>('rollbookApi');
	const limit = 100;
	const offset = Number(cursor ?? 0);
	const found: Named[] = await context.helpers.httpRequestWithAuthentication.call(
		context,
		'rollbookApi',
		{
			baseURL: baseUrl.replace(/\/+$/, ''),
			url,
			qs: { ...query, limit, offset },
			json: true,
		},
	);
	return {
		results: found.map(
			({ id, name, email }): INodeListSearchItems => ({
				name: email ? `${name} (${email})` : name,
				value: id,
			}),
		),
		paginationToken: found.length === limit ? String(offset + limit) : undefined,
	};
}

export async function searchUsers(
	this: ILoadOptionsFunctions,
	filter?: string,
	cursor?: string,
): Promise<INodeListSearchResult> {
	return await search(this, '/v1/users', filter ? { q: filter } : {}, cursor);
}

export async function searchApplications(
	this: ILoadOptionsFunctions,
	filter?: string,
	cursor?: string,
): Promise<INodeListSearchResult> {
	return await search(this, '/v1/applications', filter ? { q: filter } : {}, cursor);
}

export async function searchGroups(
	this: ILoadOptionsFunctions,
	filter?: string,
	cursor?: string,
): Promise<INodeListSearchResult> {
	return await search(this, '/v1/groups', filter ? { q: filter } : {}, cursor);
}
