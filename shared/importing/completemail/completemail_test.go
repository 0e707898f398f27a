package completemail_test

import (
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"entrasync/shared/importing/completemail"
)

var update = flag.Bool("update", false, "write the golden files anew")

var started = time.Date(2026, 11, 30, 9, 14, 3, 0, time.UTC)

// base is an import of which some users failed.
func base() completemail.Complete {
	return completemail.Complete{
		Job: "7QK3W5ZL2XN4", Directory: "Contoso M365", Organization: "Contoso GmbH",
		Started: started, Finished: started.Add(12*time.Minute + 30*time.Second), Total: 10000, Imported: 9950, Failed: 50,
		Link: "https://entrasync.example.com/v1/imports/7QK3W5ZL2XN4/results?key=MTc5ODY&x=1", LinkExpires: started.Add(7 * 24 * time.Hour),
	}
}

func TestTheMailIsAsItWas(t *testing.T) {
	stopped, all, none, nobody := base(), base(), base(), base()
	stopped.Stopped, stopped.Imported, stopped.Failed = true, 4200, 12
	all.Imported, all.Failed, all.Organization = 10000, 0, "شركة كونتوسو"
	none.Total, none.Imported, none.Failed, none.Directory = 1, 0, 1, `<b>"Contoso" & Söhne</b>`
	nobody.Total, nobody.Imported, nobody.Failed, nobody.Link = 0, 0, 0, ""
	for name, complete := range map[string]completemail.Complete{"complete": base(), "stopped": stopped, "all": all, "none": none, "nobody": nobody} {
		m := complete.Message("ann@example.com")
		golden(t, name+".txt", "Subject: "+m.Subject+"\n\n"+m.Text)
		golden(t, name+".html", m.HTML)
		if len(m.To) != 1 || m.To[0] != "ann@example.com" {
			t.Errorf("%s: got addresses %q, want ann@example.com", name, m.To)
		}
	}
}

// golden compares a text with a file.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got); the flag -update accepts it:\n%s", path, diff)
	}
}

// A mail program loads nothing for the mail, and follows nothing but the link.
func TestTheHTMLLoadsNothing(t *testing.T) {
	complete := base()
	complete.Directory = `<img src="https://eve.example.com/x.png"><script>alert(1)</script>`
	decoder := xml.NewDecoder(strings.NewReader(complete.Message().HTML))
	decoder.Strict, decoder.AutoClose, decoder.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	links := 0
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		element, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		switch name := element.Name.Local; name {
		case "img", "script", "link", "iframe", "form", "video", "object":
			t.Errorf("got an element %s, want none", name)
		}
		for _, attribute := range element.Attr {
			switch {
			case attribute.Name.Local == "href" && attribute.Value == complete.Link:
				links++
			case attribute.Name.Local == "href", attribute.Name.Local == "src", strings.Contains(attribute.Value, "url("):
				t.Errorf("got %s=%q, want nothing but the link", attribute.Name.Local, attribute.Value)
			}
		}
	}
	if links == 0 {
		t.Error("the HTML does not have the link")
	}
}

// A name cannot look like another part of the mail.
func TestANameStaysInItsLine(t *testing.T) {
	complete := base()
	complete.Directory = "Contoso\n\nDownload the results:\nhttps://eve.example.com"
	m := complete.Message()
	if strings.Contains(m.Text, "\nhttps://eve") || strings.Contains(m.Subject, "\n") {
		t.Errorf("got text %q and subject %q, want the name in one line", m.Text, m.Subject)
	}
}
