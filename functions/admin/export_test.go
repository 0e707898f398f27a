package admin_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"entrasync/shared/directory"
	"entrasync/shared/portable"
	"entrasync/shared/store"
)

// raw sends a request with the token and returns the answer as it is.
func (f *fixture) raw(method, path, body, contentType string) events.APIGatewayV2HTTPResponse {
	f.t.Helper()
	rawPath, query, _ := strings.Cut(path, "?")
	r := events.APIGatewayV2HTTPRequest{RawPath: rawPath, RawQueryString: query, Body: body, Headers: map[string]string{"host": "localhost", "authorization": "Bearer " + token, "content-type": contentType}}
	r.RequestContext.HTTP.Method, r.RequestContext.HTTP.Path = method, rawPath
	response, err := f.handler.Handle(f.t.Context(), r)
	if err != nil {
		f.t.Fatal(err)
	}
	if strings.Contains(response.Body, "canary") {
		f.t.Errorf("%s %s shows a secret", method, path)
	}
	return response
}

// nextPart matches the header that names the next part of an export.
var nextPart = regexp.MustCompile(`^<(/v1/[^>]+)>; rel="next"$`)

// exported are the parts of the export of a directory.
func (f *fixture) exported(id string) (parts []string) {
	f.t.Helper()
	for path := "/v1/directories/" + id + "/export"; path != ""; {
		response := f.raw("GET", path, "", "")
		if kind := response.Headers["Content-Type"]; response.StatusCode != 200 || kind != portable.ContentType {
			f.t.Fatalf("GET %s: %d, %q, %s; want 200 and %s", path, response.StatusCode, kind, response.Body, portable.ContentType)
		}
		parts = append(parts, response.Body)
		path = ""
		if link := response.Headers["Link"]; link != "" {
			path = nextPart.FindStringSubmatch(link)[1]
		}
	}
	return parts
}

// userID is the id of one of many users.
func userID(i int) directory.UserID {
	return directory.UserID(fmt.Sprintf("64a1b2c3d4e5f6071829%04x", i))
}

// populate gives a directory synced users and a group that has them, and a user who was
// disconnected.
func (f *fixture) populate(id directory.ID, users int) {
	f.t.Helper()
	ctx, now := context.Background(), time.Now().UTC()
	group := directory.GroupID(engineering)
	var members []directory.Member
	for i := range users {
		user := userID(i)
		f.must(f.records.Connect(ctx, id, user, directory.Direct, now))
		f.must(f.records.ChangeLink(ctx, id, user, func(l directory.Link) directory.Link {
			l.Status, l.State, l.EntraID, l.Origin = directory.Synced, directory.Enabled, account(i), directory.CreatedByUs
			l.UPN = directory.UPN(fmt.Sprintf("user%d@contoso.example", i))
			l.Applied = directory.Attributes{directory.GivenName: directory.Text("Ann"), directory.ImmutableID: directory.Text(string(user))}
			return l
		}))
		_, err := f.records.Claim(ctx, tenant, account(i), owner(user), id)
		f.must(err)
		members = append(members, directory.Member{Directory: id, Group: group, User: user, Wanted: true, Applied: account(i)})
	}
	_, err := f.records.Disconnect(ctx, id, userID(0), directory.Direct, directory.Disconnected)
	f.must(err)
	f.must(f.records.ChangeLink(ctx, id, userID(0), func(l directory.Link) directory.Link {
		l.Status, l.Reason, l.State = directory.Released, directory.Disconnected, directory.Disabled
		return l
	}))
	_, err = f.records.ConnectGroup(ctx, id, group, directory.Direct, now)
	f.must(err)
	f.must(f.records.PutMembers(ctx, members...))
}

// An export has everything of a directory in lines, in parts that can be read back, each below
// the largest body, and no secret.
func TestExport(t *testing.T) {
	f := newFixture(t)
	id := f.directory(`{"manageGroups": false, "domains": [{"name": "contoso.example", "default": true}]}`)
	const users = 1200
	f.populate(directory.ID(id), users)
	parts := f.exported(id)
	if len(parts) < 2 {
		t.Errorf("the export has %d parts, want more than one", len(parts))
	}
	found := map[portable.LineType]int{}
	var lines []portable.Line
	for _, part := range parts {
		if len(part) >= 1<<20 {
			t.Errorf("a part has %d bytes, want less than 1 MiB", len(part))
		}
		for text := range strings.Lines(part) {
			var line portable.Line
			f.must(json.Unmarshal([]byte(text), &line))
			lines = append(lines, line)
			found[line.Type]++
		}
	}
	want := map[portable.LineType]int{portable.OfDirectory: 1, portable.OfUser: users, portable.OfGroup: 1, portable.OfMember: users, portable.End: 1}
	for kind, n := range want {
		if found[kind] != n {
			t.Errorf("there are %d lines of the type %s, want %d", found[kind], kind, n)
		}
	}
	if first := lines[0]; first.Directory == nil || first.Directory.Name != "Contoso" || first.Directory.TenantObject != tenant || first.Directory.Settings.ManageGroups {
		t.Errorf("the first line is %+v, want name, tenant and settings of the directory", first.Directory)
	}
	if last := lines[len(lines)-1]; last.Type != portable.End || last.Number != len(lines) {
		t.Errorf("the last line is %+v, want the type end and the number %d", last, len(lines))
	}
	if gone := lines[1]; gone.Link.User != userID(0) || gone.Connection == nil || gone.Connection.Ended != directory.Disconnected {
		t.Errorf("the user who was disconnected is %+v, want why", gone)
	}
	for _, cursor := range []string{"bad", `{}`, `{"s":"zzz"}`, `{"s":"user","g":"x"}`, `{"s":"member"}`, `[]`} {
		encoded := base64.RawURLEncoding.EncodeToString([]byte(cursor))
		if response := f.raw("GET", "/v1/directories/"+id+"/export?cursor="+encoded, "", ""); response.StatusCode != 422 || !strings.Contains(response.Body, "query.cursor") {
			t.Errorf("the cursor %s: %d %s, want 422 that names it", cursor, response.StatusCode, response.Body)
		}
	}
	if response := f.raw("GET", "/v1/directories/"+id+"/export?cursor=bad", "", ""); response.StatusCode != 422 || !strings.Contains(response.Body, "query.cursor") {
		t.Errorf("another cursor: %d %s, want 422 that names it", response.StatusCode, response.Body)
	}
	if response := f.raw("GET", "/v1/directories/"+organization+"-none/export", "", ""); response.StatusCode != 404 {
		t.Errorf("another directory: %d %s, want 404", response.StatusCode, response.Body)
	}
}

// account is the account of one of many users.
func account(i int) directory.EntraID {
	return directory.EntraID(fmt.Sprintf("00000000-0000-4000-8000-%012x", i))
}

// owner is a user as the owner of an account.
func owner(user directory.UserID) store.Owner {
	return store.Owner{Organization: organization, User: user}
}
