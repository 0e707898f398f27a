// Package results is the port to the store of result files: the lines of an import, which
// a person downloads.
//
// A file is written once and is there for 30 days. It is given out by links that work
// without a token for a short time, because a browser that follows the link in a mail has
// none.
package results

import (
	"context"
	"fmt"
	"io"
	"mime"
	"strings"
	"time"

	"entrasync/shared/fault"
)

// Kept is how long a store keeps a file after it was put.
const Kept = 30 * 24 * time.Hour

// MaxLife is the longest life of a link, which S3 sets.
const MaxLife = 7 * 24 * time.Hour

// Store stores result files.
type Store interface {
	// Put stores a file under a name of the form that [CheckName] wants, such as
	// imports/<job>/results.csv, and replaces what was there. If content ends with an
	// error, Put returns it, and what was there before stays.
	Put(ctx context.Context, name, contentType string, content io.Reader) error
	Linker
}

// Linker gives out links to result files.
type Linker interface {
	// Link is a URL that answers with the file, as a download named saveAs, until life
	// ends. It works without a token. Whether there is a file is not checked: the URL of
	// one that is missing answers with an error. On AWS a link dies with the credentials
	// that signed it, however long its life is, so it is made when somebody wants it.
	Link(ctx context.Context, name, saveAs string, life time.Duration) (url string, err error)
}

// maxName is how long a name may be. A file system allows 255 bytes for each part.
const maxName = 200

// allowed are the characters of a name besides the slash. No store and no URL needs to
// escape one of them.
const allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

// CheckName returns a fault of kind Invalid unless a name consists of letters, digits and
// ". _ -" in parts that are separated by slashes and do not begin with a dot. So no name
// leads out of a folder.
func CheckName(name string) error {
	good := name != "" && len(name) <= maxName
	for part := range strings.SplitSeq(name, "/") {
		good = good && part != "" && part[0] != '.' && strings.Trim(part, allowed) == ""
	}
	if good {
		return nil
	}
	return &fault.Error{Op: "results.name", Kind: fault.Invalid, Subject: fmt.Sprintf("%.*q", maxName, name),
		Message: fmt.Sprintf("a name of a result file has up to %d letters, digits and . _ - in parts separated by slashes, and no part begins with a dot", maxName)}
}

// CheckLink returns a fault of kind Invalid if there can be no link of this name and life.
func CheckLink(name string, life time.Duration) error {
	if life < time.Second || life > MaxLife {
		return &fault.Error{Op: "results.link", Kind: fault.Invalid, Subject: name, Message: fmt.Sprintf("a link lives between one second and %s, not %s", MaxLife, life)}
	}
	return CheckName(name)
}

// Disposition is the header Content-Disposition with which a browser saves a file under
// a name (RFC 6266). A name that is not plain ASCII is encoded (RFC 8187).
func Disposition(saveAs string) string {
	if saveAs = strings.ToValidUTF8(saveAs, "_"); saveAs == "" {
		return "attachment"
	}
	return mime.FormatMediaType("attachment", map[string]string{"filename": saveAs})
}
