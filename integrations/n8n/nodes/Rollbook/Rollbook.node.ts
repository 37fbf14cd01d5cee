import { NodeConnectionTypes, type INodeType, type INodeTypeDescription } from 'n8n-workflow';

import { searchApplications, searchGroups, searchUsers } from './lists';
import { properties } from './operations';

export class Rollbook implements INodeType {
	description: INodeTypeDescription = {
		displayName: 'Rollbook',
		name: 'rollbook',
		icon: { light: 'file:../../icons/rollbook.svg', dark: 'file:../../icons/rollbook.dark.svg' },
		group: ['transform'],
		version: 1,
		subtitle: '={{ $parameter["operation"] + ": " + $parameter["resource"] }}',
		description: 'Manage users, groups, API keys and events of a Rollbook server',
		defaults: {
			name: 'Rollbook',
		},
		usableAsTool: true,
		inputs: [NodeConnectionTypes.Main],
		outputs: [NodeConnectionTypes.Main],
		credentials: [
			{
				name: 'rollbookApi',
				required: true,
			},
		],
		requestDefaults: {
			baseURL: '={{ $credentials.baseUrl.replace(/\\/+$/, "") }}',
			headers: {
				Accept: 'application/json',
			},
		},
		properties,
	};

	methods = {
		listSearch: {
			searchApplications,
			searchGroups,
			searchUsers,
		},
	};
}
