// What an application does, with openapi-generator's Go client.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"strings"

	openapi "github.com/GIT_USER_ID/GIT_REPO_ID"
)

func done[T any](value T, response *http.Response, err error) (T, *http.Response) {
	if err != nil {
		panic(err)
	}
	return value, response
}

func refused(response *http.Response, err error) []any {
	var problem *openapi.GenericOpenAPIError
	if !errors.As(err, &problem) {
		panic(err)
	}
	body := problem.Model().(openapi.ErrorResponse)
	return []any{response.StatusCode, body.Code, body.Param}
}

func newUser(email string) openapi.UserCreate {
	user := openapi.NewUserCreate("Al", email)
	user.SetPassword("securepassword123")
	return *user
}

func main() {
	email := os.Getenv("EMAIL")
	configuration := openapi.NewConfiguration()
	configuration.Servers[0].URL = os.Getenv("ROLLBOOK_URL")
	client := openapi.NewAPIClient(configuration)
	ctx := context.WithValue(context.Background(), openapi.ContextAccessToken, os.Getenv("ROLLBOOK_KEY"))
	users, keys, events := client.UsersAPI, client.KeysAPI, client.EventsAPI
	groups, webhooks := client.GroupsAPI, client.WebhooksAPI

	pages := [][][]any{}
	for cursor, more := "", true; more; more = cursor != "" {
		call := users.ListUsers(ctx).Ids(strings.Split(os.Getenv("IDS"), ",")).Sort([]string{"-name"}).Limit(2).Fields([]string{"role", "status"})
		if cursor != "" {
			call = call.Cursor(cursor)
		}
		found, response := done(call.Execute())
		page := [][]any{}
		for _, user := range found {
			page = append(page, []any{user.Name, user.Role})
		}
		pages = append(pages, page)
		cursor = response.Header.Get("X-Next-Cursor")
	}

	created, _ := done(users.CreateUser(ctx).UserCreate(newUser(email)).Execute())
	whole, _ := done(users.GetUser(ctx, created.Id).Execute())
	patch := openapi.UserPatch{Name: openapi.PtrString("Alan"), Metadata: map[string]any{"plan": "pro"}}
	changed, _ := done(users.PatchUser(ctx, created.Id).UserPatch(patch).Fields([]string{"role", "metadata"}).Execute())
	done(users.UpdateUser(ctx, created.Id).UserUpdate(openapi.UserUpdate{Name: openapi.PtrString("Alan")}).Execute())
	filtered, _ := done(users.ListUsers(ctx).Ids([]string{created.Id}).Metadata([]string{"plan:pro"}).Execute())

	wanted := openapi.KeyCreate{Name: "app", UserId: &created.Id, Scopes: []openapi.Scope{openapi.USERS_READ}}
	key, _ := done(keys.CreateKey(ctx).KeyCreate(wanted).Execute())
	rotated, _ := done(keys.RotateKey(ctx, key.Id).Execute())
	if _, err := keys.RevokeKey(ctx, rotated.Id).Execute(); err != nil {
		panic(err)
	}
	log := [][]any{}
	found, _ := done(events.ListEvents(ctx).User(created.Id).Execute())
	for _, event := range found {
		log = append(log, []any{event.Type, event.Object.Name, event.Object.GetEmail() == email})
	}

	team, _ := done(groups.CreateGroup(ctx).GroupCreate(openapi.GroupCreate{Name: "Editors"}).Execute())
	role := openapi.MemberUpdate{Role: *openapi.NewNullableString(openapi.PtrString("member"))}
	done(groups.SetMember(ctx, team.Id, created.Id).MemberUpdate(role).Execute())
	members := [][]any{}
	inside, _ := done(groups.ListMembers(ctx, team.Id).Execute())
	for _, member := range inside {
		members = append(members, []any{member.Name, member.Role})
	}
	ofTeam, _ := done(users.ListUsers(ctx).Group(team.Id).Execute())
	if _, err := groups.DeleteGroup(ctx, team.Id).Execute(); err != nil {
		panic(err)
	}
	hook, _ := done(webhooks.CreateWebhook(ctx).WebhookCreate(openapi.WebhookCreate{Url: "https://app.example.com/hook"}).Execute())
	if _, err := webhooks.DeleteWebhook(ctx, hook.Id).Execute(); err != nil {
		panic(err)
	}
	lines, _ := done(client.ExportsAPI.ExportUsers(ctx).Ids([]string{created.Id}).Execute())
	var exported openapi.User
	if err := json.Unmarshal([]byte(lines), &exported); err != nil {
		panic(err)
	}

	_, response, err := users.CreateUser(ctx).UserCreate(newUser("nobody")).Execute()
	invalid := refused(response, err)
	if _, err := users.DeleteUser(ctx, created.Id).Execute(); err != nil {
		panic(err)
	}
	_, response, err = users.GetUser(ctx, created.Id).Execute()
	err = json.NewEncoder(os.Stdout).Encode(map[string]any{
		"pages":    pages,
		"created":  []any{created.Name, created.Email == email, whole.Role, whole.Status, whole.Metadata, whole.ExternalId.Get()},
		"found":    []string{filtered[0].Name},
		"updated":  []any{changed.Name, changed.Role, changed.Metadata, changed.Status},
		"key":      []any{key.GetKey()[:4], key.Scopes, rotated.Id != key.Id},
		"events":   log,
		"group":    []any{members, []string{ofTeam[0].Name}},
		"webhook":  []any{hook.Types, hook.GetSecret()[:6]},
		"exported": exported.Name,
		"invalid":  invalid,
		"gone":     refused(response, err),
	})
	if err != nil {
		panic(err)
	}
}
