package secret

import (
	"crypto/x509"
	"encoding/pem"
	"strings"
	"time"

	"entrasync/shared/directory"
)

// Credential is what is known of the application's credential for Entra and its end. A
// certificate has its end in it, and for a client secret somebody must have written it
// down.
func (e Entra) Credential() directory.Credential {
	if e.Certificate != "" {
		c := directory.Credential{Kind: directory.EntraCertificate}
		if leaf := leafOf([]byte(e.Certificate)); leaf != nil {
			c.ExpiresAt = leaf.NotAfter
		}
		return c
	}
	c := directory.Credential{Kind: directory.EntraSecret}
	end, wrong := ParseEnd(e.ExpiresAt)
	if wrong != "" {
		c.Unreadable = "the end of the application's client secret for Entra (expiresAt beside it) " + wrong
	}
	c.ExpiresAt = end
	return c
}

// ParseEnd reads the end of a credential: a time (RFC 3339), or a date, which means the
// beginning of that day in UTC. wrong is what is wrong with the text, after a noun; "" if
// nothing is. No text is no end.
func ParseEnd(text string) (end time.Time, wrong string) {
	if text = strings.TrimSpace(text); text == "" {
		return time.Time{}, ""
	}
	for _, form := range []string{time.RFC3339, time.DateOnly} {
		if end, err := time.Parse(form, text); err == nil {
			return end.UTC(), ""
		}
	}
	return time.Time{}, "is neither a time nor a date"
}

// leafOf is the certificate with which the application signs in: the first that is no
// certificate authority's, or else the first, because a certificate that signs itself is
// often marked as one; nil if there is none.
func leafOf(text []byte) (leaf *x509.Certificate) {
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			return leaf
		}
		text = rest
		if block.Type != "CERTIFICATE" {
			continue
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			continue
		}
		if !certificate.IsCA {
			return certificate
		}
		if leaf == nil {
			leaf = certificate
		}
	}
}
