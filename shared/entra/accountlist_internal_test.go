package entra

import (
	"encoding/base64"
	"strings"
	"testing"

	"entrasync/shared/fault"
)

func TestAccountFilter(t *testing.T) {
	found := func(text string) string {
		begins := "startswith(displayName,X) or startswith(givenName,X) or startswith(surname,X) or startswith(mail,X) or startswith(userPrincipalName,X) or startswith(mailNickname,X)"
		return "accountEnabled eq true and (" + strings.ReplaceAll(begins, "X", "'"+text+"'") + ")"
	}
	for _, tc := range []struct{ search, want string }{
		{"", "accountEnabled eq true"},
		{" \t\n", "accountEnabled eq true"},
		{"ann", found("ann")},
		{"  Ann Example ", found("Ann Example")},
		{"o'neil", found("o''neil")},
		{"'", found("''")},
		{"') or (userType eq 'Guest", found("'') or (userType eq ''Guest")},
		{"%27#+&$ü", found("%27#+&$ü")},
		{"עברית", found("עברית")},
		{strings.Repeat("x", 41), found(strings.Repeat("x", 40))},
		{strings.Repeat("x", 39) + "'y", found(strings.Repeat("x", 39))},
		{strings.Repeat("𝒳", 21), found(strings.Repeat("𝒳", 20))},
		{"a\xffb", found("a\uFFFDb")},
	} {
		if got := accountFilter(tc.search); got != tc.want {
			t.Errorf("%q: got %q, want %q", tc.search, got, tc.want)
		}
	}
}

// A cursor comes from outside: only a later page of the users of our Graph is requested
// with our token.
func TestPageOfACursor(t *testing.T) {
	for _, tc := range []struct{ link, want string }{
		{"/users?$filter=accountEnabled%20eq%20true&$top=2&$skiptoken=RFNwdAIAAQ", "/users?$filter=accountEnabled%20eq%20true&$top=2&$skiptoken=RFNwdAIAAQ"},
		{"/Users?%24skipToken=a%2Bb+c;d", "/users?%24skipToken=a%2Bb+c;d"},
		{"/users", ""},
		{"/users?$top=5", ""},
		{"/users?", ""},
		{"", ""},
		{"users?$skiptoken=x", ""},
		{"/users/?$skiptoken=x", ""},
		{"/users/delta?$skiptoken=x", ""},
		{"/users/../groups?$skiptoken=x", ""},
		{"/users%2f..%2fgroups?$skiptoken=x", ""},
		{"/%75sers?$skiptoken=x", ""},
		{"/users/ann@contoso.example/messages?$skiptoken=x", ""},
		{"/groups?$skiptoken=x", ""},
		{"//evil.example/users?$skiptoken=x", ""},
		{"//evil.example?/users?$skiptoken=x", ""},
		{"https://evil.example/users?$skiptoken=x", ""},
		{"https://graph.microsoft.com/v1.0/users?$skiptoken=x", ""},
		{"@evil.example/users?$skiptoken=x", ""},
		{".evil.example/users?$skiptoken=x", ""},
		{":80@evil.example/users?$skiptoken=x", ""},
		{"/users#?$skiptoken=x", ""},
		{"/users?$skiptoken=x\r\nHost: evil.example", ""},
		{"/users?$skiptoken=\x00", ""},
		{"/users\\..\\groups?$skiptoken=x", ""},
	} {
		got, err := pageOf(base64.RawURLEncoding.EncodeToString([]byte(tc.link)))
		if f := fault.Of(err); got != tc.want || (tc.want == "") != (f != nil && f.Kind == fault.Invalid && f.Subject == "cursor") {
			t.Errorf("%q: %q, %v; want %q, or an Invalid fault about the cursor", tc.link, got, err, tc.want)
		}
	}
	for _, cursor := range []string{"x", "/users?$skiptoken=x", "%%%", "L3VzZXJz=", strings.Repeat("A", 1<<16)} {
		if got, err := pageOf(cursor); got != "" || !fault.Is(err, fault.Invalid) {
			t.Errorf("the cursor %.20q: %q, %v; want an Invalid fault", cursor, got, err)
		}
	}
}
