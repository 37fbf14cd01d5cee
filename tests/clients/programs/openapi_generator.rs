// What an application does, with openapi-generator's Rust client.
use openapi::apis::{configuration::Configuration, events_api, groups_api, keys_api, users_api, webhooks_api, Error};
use openapi::models::{ErrorResponse, GroupCreate, KeyCreate, MemberUpdate, Scope, User, UserCreate, UserPatch, UserUpdate, WebhookCreate};
use serde_json::{json, Value};
use std::env::var;

fn user(email: &str) -> UserCreate {
    UserCreate {
        password: Some("securepassword123".into()),
        ..UserCreate::new("Al".into(), email.into())
    }
}

async fn list(on: &Configuration, ids: Option<Vec<String>>, metadata: Option<Vec<String>>, group: Option<&str>) -> Vec<String> {
    let found: Vec<User> = users_api::list_users(
        on, None, None, ids, None, None, None, None, None, None, metadata, group,
        None, None, None, None, None, None, None, None, None, None, None, None, None, None,
    ).await.unwrap();
    found.into_iter().map(|user| user.name).collect()
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
        let (sort, fields) = (Some(vec!["-name".into()]), Some(vec!["role".into(), "status".into()]));
        let page = users_api::list_users(
            on, None, None, Some(ids), None, None, None, None, None, None, None, None,
            None, None, None, None, None, None, None, sort, Some(2), Some(offset), None, fields, None, None,
        ).await.unwrap();
        pages.push(page.into_iter().map(|user| json!([user.name, user.role])).collect::<Vec<_>>());
    }

    let new = users_api::create_user(on, user(&email), None, None).await.unwrap();
    let id = new.id.as_str();
    let whole = users_api::get_user(on, id, None, None, None).await.unwrap();
    let metadata = Some(Some([("plan".to_string(), json!("pro"))].into()));
    let patch = UserPatch { name: Some("Alan".into()), metadata, ..UserPatch::new() };
    let changed = users_api::patch_user(on, id, patch, Some(vec!["role".into(), "metadata".into()]), None).await.unwrap();
    let update = UserUpdate { name: Some("Alan".into()), ..UserUpdate::new() };
    users_api::update_user(on, id, update, None, None).await.unwrap();
    let found = list(on, Some(vec![id.into()]), Some(vec!["plan:pro".into()]), None).await;

    let app = KeyCreate { user_id: Some(id.into()), scopes: Some(Some(vec![Scope::USERS_READ])), ..KeyCreate::new("app".into()) };
    let key = keys_api::create_key(on, app, None).await.unwrap();
    let rotated = keys_api::rotate_key(on, &key.id, None, None).await.unwrap();
    keys_api::revoke_key(on, &rotated.id).await.unwrap();
    let log = events_api::list_events(on, None, None, Some(id), None, None, None, None, None, None, None, None).await.unwrap();
    let events: Vec<_> = log
        .into_iter()
        .map(|event| json!([event.r#type, event.object.name, event.object.email.flatten().as_ref() == Some(&email)]))
        .collect();

    let group = groups_api::create_group(on, GroupCreate::new("Editors".into()), None).await.unwrap().id;
    let update = MemberUpdate { role: Some(Some("member".into())) };
    groups_api::set_member(on, &group, id, Some(update)).await.unwrap();
    let members = groups_api::list_members(on, &group, None, None).await.unwrap();
    let members: Vec<_> = members.into_iter().map(|member| json!([member.name, member.role])).collect();
    let team = list(on, None, None, Some(&group)).await;
    groups_api::delete_group(on, &group, None).await.unwrap();
    let hook = webhooks_api::create_webhook(on, WebhookCreate::new("https://app.example.com/hook".into()), None).await.unwrap();
    webhooks_api::delete_webhook(on, &hook.id, None).await.unwrap();
    // All of one user: it takes the lines of an export of users for one JSON text.
    let exported = users_api::export_user(on, id).await.unwrap().user.name;

    let invalid = refused(users_api::create_user(on, user("nobody"), None, None).await);
    users_api::delete_user(on, id, None, None).await.unwrap();
    let gone = refused(users_api::get_user(on, id, None, None, None).await);
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
