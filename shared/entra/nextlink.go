package entra

import (
	"encoding/json"
	"net/url"
	"path"
	"strings"

	"entrasync/shared/fault"
)

// nextPage is the URL of the next page of a list, below the version, as a batch needs
// it; "" at the end of the list.
func (c *Client) nextPage(page []byte) (string, error) {
	next, _, err := c.linksOn(page)
	return next, err
}

// linksOn are the links on a page, below the version: to the next page, and to the changes
// after this one, "" where there is none. Graph was seen to write the host in another case,
// and another version than requested. Only the path and the query of its links are used, so
// our token goes to Graph alone whatever a link says.
func (c *Client) linksOn(page []byte) (next, later string, err error) {
	var parsed struct {
		NextLink  string `json:"@odata.nextLink"`
		DeltaLink string `json:"@odata.deltaLink"`
	}
	if err = json.Unmarshal(page, &parsed); err != nil {
		return "", "", err
	}
	if next, err = c.belowVersion(parsed.NextLink); err == nil {
		later, err = c.belowVersion(parsed.DeltaLink)
	}
	return next, later, err
}

// belowVersion is a link of Graph without its host and version; "" stays "".
func (c *Client) belowVersion(raw string) (string, error) {
	if raw == "" {
		return "", nil
	}
	link, err := url.Parse(raw)
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
	root := base.EscapedPath()
	for _, version := range []string{root, path.Join(path.Dir("/"+root), "beta")} {
		prefix := strings.TrimSuffix(version, "/") + "/"
		if full := link.EscapedPath(); len(full) > len(prefix) && strings.EqualFold(full[:len(prefix)], prefix) {
			return full[len(prefix)-1:], true
		}
	}
	return "", false
}

// sameHost reports whether two addresses have the same host and port. Case does not
// matter, and a missing port is the default one.
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
