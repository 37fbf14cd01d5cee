<?php
// What an application does, with openapi-generator's PHP client.
require "/usr/share/php/GuzzleHttp/autoload.php";
spl_autoload_register(fn ($name) => require __DIR__ . "/lib/" . str_replace("\\", "/", substr($name, strlen("OpenAPI\\Client\\"))) . ".php");

use OpenAPI\Client\{Api, ApiException, Configuration, Model};

[$key, $email] = [getenv("ROLLBOOK_KEY"), getenv("EMAIL")];
$configuration = (new Configuration())->setHost(getenv("ROLLBOOK_URL"))->setAccessToken($key);
$http = new GuzzleHttp\Client();
[$users, $keys, $events, $groups, $webhooks, $exports] = array_map(
    fn ($api) => new ("OpenAPI\\Client\\Api\\{$api}Api")($http, $configuration),
    ["Users", "Keys", "Events", "Groups", "Webhooks", "Exports"],
);
$names = fn ($found) => array_map(fn ($user) => $user->getName(), $found);

$cursor = null;
do {
    [$page, , $headers] = $users->listUsersWithHttpInfo(
        ids: explode(",", getenv("IDS")), sort: ["-name"], limit: 2, fields: ["role", "status"], cursor: $cursor,
    );
    $seen["pages"][] = array_map(fn ($user) => [$user->getName(), $user->getRole()], $page);
    $cursor = $headers["X-Next-Cursor"][0] ?? $headers["x-next-cursor"][0] ?? null;
} while ($cursor);

$wanted = fn ($email) => new Model\UserCreate(["name" => "Al", "email" => $email, "password" => "securepassword123"]);
$new = $users->createUser($wanted($email));
$id = $new->getId();
$whole = $users->getUser($id);
$seen["created"] = [$new->getName(), $new->getEmail() == $email, $whole->getRole(), $whole->getStatus(), (object) $whole->getMetadata(), $whole->getExternalId()];
$patch = new Model\UserPatch(["name" => "Alan", "metadata" => ["plan" => "pro"]]);
$changed = $users->patchUser($id, $patch, fields: ["role", "metadata"]);
$seen["updated"] = [$changed->getName(), $changed->getRole(), $changed->getMetadata(), $changed->getStatus()];
$users->updateUser($id, new Model\UserUpdate(["name" => "Alan"]));
$seen["found"] = $names($users->listUsers(ids: [$id], metadata: ["plan:pro"]));

$app = $keys->createKey(new Model\KeyCreate(["name" => "app", "user_id" => $id, "scopes" => [Model\Scope::USERS_READ]]));
$rotated = $keys->rotateKey($app->getId());
$seen["key"] = [substr($app->getKey(), 0, 4), $app->getScopes(), $rotated->getId() != $app->getId()];
$keys->revokeKey($rotated->getId());
foreach ($events->listEvents(user: $id) as $event) {
    $object = $event->getObject();
    $seen["events"][] = [$event->getType(), $object->getName(), $object->getEmail() == $email];
}

$group = $groups->createGroup(new Model\GroupCreate(["name" => "Editors"]))->getId();
$groups->setMember($group, $id, member_update: new Model\MemberUpdate(["role" => "member"]));
$members = array_map(fn ($member) => [$member->getName(), $member->getRole()], $groups->listMembers($group));
$seen["group"] = [$members, $names($users->listUsers(group: $group))];
$groups->deleteGroup($group);
$hook = $webhooks->createWebhook(new Model\WebhookCreate(["url" => "https://app.example.com/hook"]));
$seen["webhook"] = [$hook->getTypes(), substr($hook->getSecret(), 0, 6)];
$webhooks->deleteWebhook($hook->getId());
$seen["exported"] = json_decode($exports->exportUsers(ids: [$id]))->name;

$refused = function ($call) {
    try {
        $call();
    } catch (ApiException $error) {
        $body = $error->getResponseObject();
        return [$error->getCode(), $body->getCode(), $body->getParam()];
    }
};
$seen["invalid"] = $refused(fn () => $users->createUser($wanted("nobody")));
$users->deleteUser($id);
$seen["gone"] = $refused(fn () => $users->getUser($id));
echo json_encode($seen);
