package admin

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/rs/zerolog"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// consentPage is the page for the browser of an administrator.
type consentPage struct {
	Status  int
	Outcome string // for the log
	Title   string
	Lines   []string
	Missing []needView // that the settings need
	Wanted  []needView // that only the password gateway needs
}

// pageAnswer is an answer with a page.
type pageAnswer struct {
	Status       int
	ContentType  string `header:"Content-Type"`
	CacheControl string `header:"Cache-Control"`
	Policy       string `header:"Content-Security-Policy"`
	Frame        string `header:"X-Frame-Options"`
	Sniff        string `header:"X-Content-Type-Options"`
	Referrer     string `header:"Referrer-Policy"`
	Body         []byte
}

// pageStyle is the style of the page. Its policy has the hash of it, and allows nothing else.
const pageStyle = `body{font:16px/1.5 system-ui,sans-serif;margin:3rem auto;padding:0 1rem;max-width:40rem;color:#222}h1{font-size:1.4rem}`

// html is the page. It is written by hand, because with the template packages the linker
// keeps all of the Microsoft SDK in the program. Every value is escaped.
func (p consentPage) html() string {
	var page strings.Builder
	say := func(form string, values ...string) {
		escaped := make([]any, len(values))
		for i, value := range values {
			escaped[i] = html.EscapeString(value)
		}
		fmt.Fprintf(&page, form, escaped...)
	}
	list := func(before, after string, needs []needView, what func(needView) string) {
		if len(needs) == 0 {
			return
		}
		say("<p>%s</p>\n<ul>\n", before)
		for _, n := range needs {
			say("<li><strong>%s</strong>, %s</li>\n", n.Name, what(n))
		}
		page.WriteString("</ul>\n")
		if after != "" {
			say("<p>%s</p>\n", after)
		}
	}
	say(`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="robots" content="noindex"><title>entrasync: %s</title><style>`+pageStyle+`</style></head>
<body>
<h1>%s</h1>
`, p.Title, p.Title)
	for _, line := range p.Lines {
		say("<p>%s</p>\n", line)
	}
	list("The tenant did not grant all that the settings of the directory need, and what needs it will wait:",
		"Add the permissions to the application's registration in Entra (API permissions, Microsoft Graph, application permissions), and give consent again with a new address. "+
			"If consent was given just now they may also come by themselves.", p.Missing, needView.purpose)
	list("Only to set passwords by the gateway these are missing, too:", "", p.Wanted, needView.howToGet)
	page.WriteString("</body>\n</html>\n")
	return page.String()
}

// purpose is what a need is for.
func (n needView) purpose() string { return strings.Join(n.For, ", ") }

// howToGet is what a need of the password gateway is, and where it is given.
func (n needView) howToGet() string {
	if n.Kind == roleKind {
		return "a directory role: Entra admin center, Roles and administrators, " + n.Name + ", Add assignments, the application"
	}
	return "a permission"
}

// pagePolicy allows the page its style and nothing else.
var pagePolicy = func() string {
	sum := sha256.Sum256([]byte(pageStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}()

// answer is the page as an answer.
func (p consentPage) answer() *pageAnswer {
	return &pageAnswer{
		Status: p.Status, ContentType: "text/html; charset=utf-8", CacheControl: "no-store", Policy: pagePolicy,
		Frame: "DENY", Sniff: "nosniff", Referrer: "no-referrer", Body: []byte(p.html()),
	}
}

// The pages on which nothing of a directory is shown.
var (
	unknownState = consentPage{Status: http.StatusNotFound, Outcome: "unknown", Title: "This is not one of our addresses", Lines: []string{
		"Nothing was changed. Ask for a new address (POST …/authorize of the directory), and open it from its beginning.",
	}}
	usedState = consentPage{Status: http.StatusGone, Outcome: "used", Title: "This address was used already", Lines: []string{
		"Nothing was changed now: the first time counted. How the directory is, it says itself (GET /v1/directories/{id}). To give consent again, ask for a new address.",
	}}
	expiredState = consentPage{Status: http.StatusGone, Outcome: "expired", Title: "This address is too old", Lines: []string{
		"Nothing was changed now. If you gave consent in Entra, the directory becomes active by itself. To give it again, ask for a new address.",
	}}
	goneDirectory = consentPage{Status: http.StatusNotFound, Outcome: "no directory", Title: "The directory does not exist any more", Lines: []string{
		"Nothing was changed. If you gave consent in Entra, take it back there (Enterprise applications).",
	}}
)

// tryAgain is the page when our own store does not answer before the state was used.
func tryAgain(ctx context.Context, err error) consentPage {
	zerolog.Ctx(ctx).Error().Err(err).Msg("a browser that came back from the consent page could not be answered")
	return consentPage{Status: http.StatusServiceUnavailable, Outcome: "unavailable", Title: "Try again", Lines: []string{
		"entrasync could not read its records. Load this page again in a minute. Consent that was given in Entra is not lost.",
	}}
}

// What may be repeated of an error of Entra: everything else in it is written by whoever made
// the address.
var (
	errorWord = regexp.MustCompile(`^[a-z_]{1,40}$`)
	errorCode = regexp.MustCompile(`\bAADSTS[0-9]{4,8}\b`)
)

// refusedConsent is the page when Entra says that consent was not given.
func refusedConsent(dir directory.Directory, in *comeBack) consentPage {
	why := ""
	if errorWord.MatchString(in.Error) {
		why = " (" + in.Error
		if code := errorCode.FindString(in.Description); code != "" {
			why += ", " + code
		}
		why += ")"
	}
	return consentPage{Status: http.StatusForbidden, Outcome: "refused", Title: "Consent was not given", Lines: []string{
		"Entra says that consent to the application was not given" + why + ". Nothing of the directory “" + dir.Name + "” was changed.",
		"Ask for a new address, and have it opened by an administrator of the tenant who may consent to application permissions (Privileged Role Administrator or Global Administrator).",
	}}
}

// anotherTenant is the page when a browser comes from another tenant.
func anotherTenant(dir directory.Directory) consentPage {
	return consentPage{Status: http.StatusConflict, Outcome: "another tenant", Title: "That is another tenant", Lines: []string{
		"The directory “" + dir.Name + "” has the tenant " + string(dir.Tenant) + ", and you come from another one. Nothing was changed.",
		"Sign in as an administrator of that tenant, with a new address. If you gave consent in the wrong tenant, take it back there (Enterprise applications).",
	}}
}

// takenTenant is the page when another directory has the tenant, whose name is nobody's
// business who is sent here.
func takenTenant(dir directory.Directory) consentPage {
	return consentPage{Status: http.StatusConflict, Outcome: "taken", Title: "Another directory has this tenant", Lines: []string{
		"The tenant lets the application in, but another directory has it, or one of its domains. Nothing of the directory “" + dir.Name + "” was changed.",
		"The administrator of entrasync sees which one it is, and may allow both.",
	}}
}

// sayable are the reasons for a refusal that an administrator of the tenant can do something
// about; the others are the business of whoever administers entrasync.
var sayable = []directory.Reason{directory.NotConsented, directory.PermissionMissing, directory.ApplicationDisabled, directory.SignInBlocked}

// waits is the page when consent does not show yet.
func waits(dir directory.Directory, err error) consentPage {
	lines := []string{
		"Consent takes some minutes to spread in Entra, in rare cases up to a day. entrasync tries again each minute, and the directory “" + dir.Name + "” becomes active by itself: there is nothing left to do.",
	}
	if f := fault.Of(err); slices.Contains(sayable, f.Reason) {
		lines = append(lines, "Just now: "+f.Message+".")
	}
	return consentPage{Status: http.StatusAccepted, Outcome: "not yet", Title: "Entra does not show the consent yet", Lines: lines}
}

// authorizedPage is the page when the tenant lets the application in.
func authorizedPage(dir directory.Directory, tenant directory.Tenant) consentPage {
	page := consentPage{Status: http.StatusOK, Outcome: "authorized", Title: "The directory is authorized", Lines: []string{
		"The tenant “" + tenant.Name + "” (" + string(tenant.ID) + ") lets entrasync in, and the directory “" + dir.Name + "” is active. You can close this page.",
	}}
	for _, n := range needsOf(dir.Settings, dir.Granted) {
		if n.Granted == nil || *n.Granted {
			continue
		}
		if n.Optional {
			page.Wanted = append(page.Wanted, n)
		} else {
			page.Missing = append(page.Missing, n)
		}
	}
	if len(page.Missing) > 0 {
		page.Outcome = "permissions missing"
	}
	return page
}
