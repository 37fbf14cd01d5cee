// What an application does, with openapi-generator's Rust client.
use openapi::apis::{configuration::Configuration, events_api::*, groups_api::*, keys_api::*, users_api::*, webhooks_api::*, Error};
use openapi::models::{ErrorResponse, GroupCreate, KeyCreate, MemberUpdate, Scope, UserCreate, UserPatch, UserUpdate, WebhookCreate};
use serde_json::{json, Value};
use std::env::var;

fn user(email: &str) -> CreateUserParams {
    let user_create = UserCreate {
        password: Some("securepassword123".into()),
        ..UserCreate::new("Al".into(), email.into())
    };
    CreateUserParams { user_create, ..Default::default() }
}

async fn list(on: &Configuration, filters: ListUsersParams) -> Vec<String> {
    list_users(on, filters).await.unwrap().into_iter().map(|user| user.name).collect()
}

fn refused<T, E>(outcome: Result<T, Error<E>>) -> Value {
    let Err(Error::ResponseError(answer)) = outcome else { panic!("not refused") };
    let body: ErrorResponse = serde_json::from_str(&answer.content).unwrap();
    json!([answer.status.as_u16(), body.code, body.param])
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let email = var("EMAIL").unwrap();
    let on = &Configuration {
        base_path: var("ROLLBOOK_URL").unwrap(),
        bearer_access_token: Some(var("ROLLBOOK_KEY").unwrap()),
        ..Configuration::new()
    };
    // It returns no headers, so that pages are counted.
    let mut pages = vec![];
    for offset in [0, 2, 4] {
        let ids = var("IDS").unwrap().split(',').map(String::from).collect();
        let page = ListUsersParams {
            ids: Some(ids),
            sort: Some(vec!["-name".into()]),
            limit: Some(2),
            offset: Some(offset),
            fields: Some(vec!["role".into(), "status".into()]),
            ..Default::default()
        };
        let page = list_users(on, page).await.unwrap();
        pages.push(page.into_iter().map(|user| json!([user.name, user.role])).collect::<Vec<_>>());
    }

    let new = create_user(on, user(&email)).await.unwrap();
    let user_id = new.id.clone();
    let get = GetUserParams { user_id: user_id.clone(), ..Default::default() };
    let whole = get_user(on, get.clone()).await.unwrap();
    let metadata = Some(Some([("plan".to_string(), json!("pro"))].into()));
    let user_patch = UserPatch { name: Some("Alan".into()), metadata, ..UserPatch::new() };
    let fields = Some(vec!["role".into(), "metadata".into()]);
    let patch = PatchUserParams { user_id: user_id.clone(), user_patch, fields, ..Default::default() };
    let changed = patch_user(on, patch).await.unwrap();
    let user_update = UserUpdate { name: Some("Alan".into()), ..UserUpdate::new() };
    update_user(on, UpdateUserParams { user_id: user_id.clone(), user_update, ..Default::default() }).await.unwrap();
    let (ids, metadata) = (Some(vec![user_id.clone()]), Some(vec!["plan:pro".into()]));
    let found = list(on, ListUsersParams { ids, metadata, ..Default::default() }).await;

    let scopes = Some(Some(vec![Scope::USERS_READ]));
    let key_create = KeyCreate { user_id: Some(user_id.clone()), scopes, ..KeyCreate::new("app".into()) };
    let key = create_key(on, CreateKeyParams { key_create, ..Default::default() }).await.unwrap();
    let rotated = rotate_key(on, RotateKeyParams { key_id: key.id.clone(), ..Default::default() }).await.unwrap();
    revoke_key(on, RevokeKeyParams { key_id: rotated.id.clone(), ..Default::default() }).await.unwrap();
    let log = list_events(on, ListEventsParams { user: Some(user_id.clone()), ..Default::default() }).await.unwrap();
    let events: Vec<_> = log
        .into_iter()
        .map(|event| json!([event.r#type, event.object.name, event.object.email.flatten().as_ref() == Some(&email)]))
        .collect();

    let group_create = GroupCreate::new("Editors".into());
    let group_id = create_group(on, CreateGroupParams { group_create, ..Default::default() }).await.unwrap().id;
    let member_update = Some(MemberUpdate { role: Some(Some("member".into())) });
    let member = SetMemberParams { group_id: group_id.clone(), user_id: user_id.clone(), member_update, ..Default::default() };
    set_member(on, member).await.unwrap();
    let members = list_members(on, ListMembersParams { group_id: group_id.clone(), ..Default::default() }).await.unwrap();
    let members: Vec<_> = members.into_iter().map(|member| json!([member.name, member.role])).collect();
    let team = list(on, ListUsersParams { group: Some(group_id.clone()), ..Default::default() }).await;
    delete_group(on, DeleteGroupParams { group_id, ..Default::default() }).await.unwrap();
    let webhook_create = WebhookCreate::new("https://app.example.com/hook".into());
    let hook = create_webhook(on, CreateWebhookParams { webhook_create, ..Default::default() }).await.unwrap();
    delete_webhook(on, DeleteWebhookParams { webhook_id: hook.id, ..Default::default() }).await.unwrap();
    // All of one user: it takes the lines of an export of users for one JSON text.
    let exported = export_user(on, ExportUserParams { user_id: user_id.clone() }).await.unwrap().user.name;

    let invalid = refused(create_user(on, user("nobody")).await);
    delete_user(on, DeleteUserParams { user_id, ..Default::default() }).await.unwrap();
    let gone = refused(get_user(on, get).await);
    println!("{}", json!({
        "pages": pages,
        "created": [new.name, new.email == email, whole.role, whole.status, whole.metadata, whole.external_id.flatten()],
        "updated": [changed.name, changed.role, changed.metadata, changed.status],
        "found": found,
        "key": [key.key.unwrap()[..4], key.scopes, rotated.id != key.id],
        "events": events,
        "group": [members, team],
        "webhook": [hook.types, hook.secret.unwrap()[..6]],
        "exported": exported,
        "invalid": invalid,
        "gone": gone,
    }));
}
