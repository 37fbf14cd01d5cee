import type {
	IAuthenticateGeneric,
	Icon,
	ICredentialTestRequest,
	ICredentialType,
	INodeProperties,
} from 'n8n-workflow';

export class RollbookApi implements ICredentialType {
	name = 'rollbookApi';

	displayName = 'Rollbook API';

	icon: Icon = { light: 'file:../icons/rollbook.svg', dark: 'file:../icons/rollbook.dark.svg' };

	documentationUrl = 'https://example.com/rollbook/docs/integrations';

	properties: INodeProperties[] = [
		{
			displayName: 'Server URL',
			name: 'baseUrl',
			type: 'string',
			required: true,
			default: '',
			placeholder: 'https://users.example.com',
			description: 'URL of your Rollbook server, without <code>/v1</code>',
		},
		{
			displayName: 'API Key',
			name: 'apiKey',
			type: 'string',
			typeOptions: { password: true },
			required: true,
			default: '',
			description: 'A key of an admin, or of a viewer for workflows that only read',
		},
	];

	authenticate: IAuthenticateGeneric = {
		type: 'generic',
		properties: {
			headers: {
				Authorization: '=Bearer {{ $credentials.apiKey }}',
			},
		},
	};

	test: ICredentialTestRequest = {
		request: {
			baseURL: '={{ $credentials.baseUrl.replace(/\\/+$/, "") }}',
			url: '/v1/users/me',
		},
	};
}
