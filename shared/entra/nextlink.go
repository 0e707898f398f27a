package entra

import (
	"encoding/json"
	"net/url"
	"path"
	"strings"

	"entrasync/shared/fault"
)

// nextPage is where a list goes on, "" at its end. Graph names it whole, and a batch
// wants it without host and version. Graph was seen to write the host in another case
// and another version than asked: as only path and query are used, our token goes to
// Graph alone whatever the link says.
func (c *Client) nextPage(page []byte) (string, error) {
	var parsed struct {
		NextLink string `json:"@odata.nextLink"`
	}
	if err := json.Unmarshal(page, &parsed); err != nil || parsed.NextLink == "" {
		return "", err
	}
	link, err := url.Parse(parsed.NextLink)
	if err != nil {
		return "", fault.New(fault.Transient, "entra.next page", "the link to the next page of a list cannot be read")
	}
	rest, ours := c.below(link)
	if !ours {
		return "", fault.New(fault.Transient, "entra.next page", "the next page of a list is somewhere else")
	}
	if link.RawQuery != "" {
		rest += "?" + link.RawQuery
	}
	return rest, nil
}

// below is the path of a link below the version. It reports whether the link leads to
// our Graph.
func (c *Client) below(link *url.URL) (rest string, ours bool) {
	base, err := url.Parse(c.baseURL)
	if err != nil || !sameHost(base, link) {
		return "", false
	}
	asked := base.EscapedPath()
	for _, version := range []string{asked, path.Join(path.Dir("/"+asked), "beta")} {
		prefix := strings.TrimSuffix(version, "/") + "/"
		if full := link.EscapedPath(); len(full) > len(prefix) && strings.EqualFold(full[:len(prefix)], prefix) {
			return full[len(prefix)-1:], true
		}
	}
	return "", false
}

// sameHost reports whether two addresses are of one host: without regard to case, and
// to the port where it is the usual one.
func sameHost(a, b *url.URL) bool {
	usual := map[string]string{"https": "443", "http": "80"}
	port := func(u *url.URL) string {
		if p := u.Port(); p != "" {
			return p
		}
		return usual[u.Scheme]
	}
	return strings.EqualFold(a.Scheme, b.Scheme) && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}
