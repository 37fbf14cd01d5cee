// What an application does, with openapi-generator's Java client.
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.openapitools.client.ApiClient;
import org.openapitools.client.ApiException;
import org.openapitools.client.api.EventsApi;
import org.openapitools.client.api.EventsApi.APIListEventsRequest;
import org.openapitools.client.api.GroupsApi;
import org.openapitools.client.api.GroupsApi.APICreateGroupRequest;
import org.openapitools.client.api.GroupsApi.APIDeleteGroupRequest;
import org.openapitools.client.api.GroupsApi.APIListMembersRequest;
import org.openapitools.client.api.GroupsApi.APISetMemberRequest;
import org.openapitools.client.api.KeysApi;
import org.openapitools.client.api.KeysApi.APICreateKeyRequest;
import org.openapitools.client.api.KeysApi.APIRevokeKeyRequest;
import org.openapitools.client.api.KeysApi.APIRotateKeyRequest;
import org.openapitools.client.api.UsersApi;
import org.openapitools.client.api.UsersApi.APICreateUserRequest;
import org.openapitools.client.api.UsersApi.APIDeleteUserRequest;
import org.openapitools.client.api.UsersApi.APIExportUserRequest;
import org.openapitools.client.api.UsersApi.APIGetUserRequest;
import org.openapitools.client.api.UsersApi.APIListUsersRequest;
import org.openapitools.client.api.UsersApi.APIPatchUserRequest;
import org.openapitools.client.api.UsersApi.APIUpdateUserRequest;
import org.openapitools.client.api.WebhooksApi;
import org.openapitools.client.api.WebhooksApi.APICreateWebhookRequest;
import org.openapitools.client.api.WebhooksApi.APIDeleteWebhookRequest;
import org.openapitools.client.model.ErrorResponse;
import org.openapitools.client.model.GroupCreate;
import org.openapitools.client.model.KeyCreate;
import org.openapitools.client.model.MemberUpdate;
import org.openapitools.client.model.Scope;
import org.openapitools.client.model.User;
import org.openapitools.client.model.UserCreate;
import org.openapitools.client.model.UserPatch;
import org.openapitools.client.model.UserUpdate;
import org.openapitools.client.model.WebhookCreate;

public class Program {
  interface Call {
    void run() throws ApiException;
  }

  static List<Object> refused(ApiClient client, Call call) throws Exception {
    try {
      call.run();
    } catch (ApiException error) {
      var body = client.getObjectMapper().readValue(error.getResponseBody(), ErrorResponse.class);
      return Arrays.asList(error.getCode(), body.getCode(), body.getParam());
    }
    throw new AssertionError("not refused");
  }

  public static void main(String[] arguments) throws Exception {
    var env = System.getenv();
    var client = new ApiClient();
    client.updateBaseUri(env.get("ROLLBOOK_URL"));
    client.setRequestInterceptor(request -> request.header("Authorization", "Bearer " + env.get("ROLLBOOK_KEY")));
    var users = new UsersApi(client);
    var keys = new KeysApi(client);
    var events = new EventsApi(client);
    Map<String, Object> seen = new LinkedHashMap<>();

    var pages = new ArrayList<Object>();
    String cursor = null;
    do {
      var call = APIListUsersRequest.newBuilder().ids(List.of(env.get("IDS").split(","))).sort(List.of("-name")).limit(2L);
      var page = users.listUsersWithHttpInfo(call.fields(List.of("role", "status")).cursor(cursor).build());
      pages.add(page.getData().stream().map(user -> List.of(user.getName(), user.getRole())).toList());
      cursor = page.getHeaders().getOrDefault("X-Next-Cursor", Arrays.asList((String) null)).get(0);
    } while (cursor != null);
    seen.put("pages", pages);

    var wanted = new UserCreate().name("Al").email(env.get("EMAIL")).password("securepassword123");
    var created = users.createUser(APICreateUserRequest.newBuilder().userCreate(wanted).build());
    var get = APIGetUserRequest.newBuilder().userId(created.getId()).build();
    var whole = users.getUser(get);
    var isAsked = created.getEmail().equals(env.get("EMAIL"));
    seen.put("created", Arrays.asList(created.getName(), isAsked, whole.getRole(), whole.getStatus(), whole.getMetadata(), whole.getExternalId()));
    var patch = new UserPatch().name("Alan").metadata(Map.of("plan", "pro"));
    var change = APIPatchUserRequest.newBuilder().userId(created.getId()).userPatch(patch).fields(List.of("role", "metadata"));
    var changed = users.patchUser(change.build());
    seen.put("updated", Arrays.asList(changed.getName(), changed.getRole(), changed.getMetadata(), changed.getStatus()));
    users.updateUser(APIUpdateUserRequest.newBuilder().userId(created.getId()).userUpdate(new UserUpdate().name("Alan")).build());
    var filter = APIListUsersRequest.newBuilder().ids(List.of(created.getId())).metadata(List.of("plan:pro")).build();
    seen.put("found", users.listUsers(filter).stream().map(User::getName).toList());

    var app = new KeyCreate().name("app").userId(created.getId()).scopes(List.of(Scope.USERS_READ));
    var key = keys.createKey(APICreateKeyRequest.newBuilder().keyCreate(app).build());
    var rotated = keys.rotateKey(APIRotateKeyRequest.newBuilder().keyId(key.getId()).build());
    seen.put("key", List.of(key.getKey().substring(0, 4), key.getScopes(), !rotated.getId().equals(key.getId())));
    keys.revokeKey(APIRevokeKeyRequest.newBuilder().keyId(rotated.getId()).build());
    var log = new ArrayList<Object>();
    for (var event : events.listEvents(APIListEventsRequest.newBuilder().user(created.getId()).build())) {
      var object = event.getObject();
      log.add(Arrays.asList(event.getType(), object.getName(), env.get("EMAIL").equals(object.getEmail())));
    }
    seen.put("events", log);

    var groups = new GroupsApi(client);
    var team = groups.createGroup(APICreateGroupRequest.newBuilder().groupCreate(new GroupCreate().name("Editors")).build()).getId();
    var role = new MemberUpdate().role("member");
    groups.setMember(APISetMemberRequest.newBuilder().groupId(team).userId(created.getId()).memberUpdate(role).build());
    var members = groups.listMembers(APIListMembersRequest.newBuilder().groupId(team).build());
    var ofTeam = users.listUsers(APIListUsersRequest.newBuilder().group(team).build());
    seen.put("group", List.of(
        members.stream().map(member -> List.of(member.getName(), member.getRole())).toList(), ofTeam.stream().map(User::getName).toList()));
    groups.deleteGroup(APIDeleteGroupRequest.newBuilder().groupId(team).build());
    var webhooks = new WebhooksApi(client);
    var hook = webhooks.createWebhook(
        APICreateWebhookRequest.newBuilder().webhookCreate(new WebhookCreate().url("https://app.example.com/hook")).build());
    seen.put("webhook", List.of(hook.getTypes(), hook.getSecret().substring(0, 6)));
    webhooks.deleteWebhook(APIDeleteWebhookRequest.newBuilder().webhookId(hook.getId()).build());
    // All of one user: it takes the lines of an export of users for one JSON text.
    seen.put("exported", users.exportUser(APIExportUserRequest.newBuilder().userId(created.getId()).build()).getUser().getName());

    var invalid = new UserCreate().name("Al").email("nobody").password("securepassword123");
    seen.put("invalid", refused(client, () -> users.createUser(APICreateUserRequest.newBuilder().userCreate(invalid).build())));
    users.deleteUser(APIDeleteUserRequest.newBuilder().userId(created.getId()).build());
    seen.put("gone", refused(client, () -> users.getUser(get)));
    System.out.println(ApiClient.createDefaultObjectMapper().writeValueAsString(seen));
  }
}
