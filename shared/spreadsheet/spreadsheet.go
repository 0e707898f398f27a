// Package spreadsheet writes tables as CSV that a person opens in a spreadsheet: UTF-8
// with a byte order mark, by which Excel recognizes the encoding, and otherwise RFC 4180.
//
// The cells come from directories, where anybody may have chosen them, and a spreadsheet
// takes a cell that begins with certain characters for a formula. It then computes it,
// which may send data to strangers or start programs. So an apostrophe is put before such
// a character, as the OWASP recommends (owasp.org, "CSV Injection"). See [guard] for
// where that is.
package spreadsheet

import (
	"encoding/csv"
	"fmt"
	"io"
	"strings"
	"unicode"

	"entrasync/shared/fault"
)

// ContentType is the media type of what a [Writer] writes.
const ContentType = "text/csv; charset=utf-8"

// mark is the byte order mark.
const mark = "\uFEFF"

// Writer writes a table row by row. It keeps at most a few kilobytes in memory.
type Writer struct {
	rows    *csv.Writer
	columns int
}

// NewWriter starts a table with the names of its columns, which must be at least two: a
// row that is one empty cell would be an empty line, which readers skip.
func NewWriter(w io.Writer, columns ...string) (*Writer, error) {
	const op = "spreadsheet.new"
	if len(columns) < 2 {
		return nil, fault.New(fault.Internal, op, "a table needs at least two columns")
	}
	if _, err := io.WriteString(w, mark); err != nil {
		return nil, fault.Wrap(err, fault.Transient, op)
	}
	rows := csv.NewWriter(w)
	rows.UseCRLF = true
	t := &Writer{rows: rows, columns: len(columns)}
	return t, t.Write(columns...)
}

// Write writes a row. It must have a cell for each column.
func (w *Writer) Write(cells ...string) error {
	const op = "spreadsheet.write"
	if len(cells) != w.columns {
		return fault.New(fault.Internal, op, fmt.Sprintf("the row has %d cells, and the table %d columns", len(cells), w.columns))
	}
	row := make([]string, len(cells))
	for i, cell := range cells {
		row[i] = guard(plain(cell))
	}
	return fault.Wrap(w.rows.Write(row), fault.Transient, op)
}

// Flush writes out what is still in memory. It must be called after the last row.
func (w *Writer) Flush() error {
	w.rows.Flush()
	return fault.Wrap(w.rows.Error(), fault.Transient, "spreadsheet.flush")
}

// breaks makes all line breaks alike. encoding/csv would drop a carriage return that
// stands alone.
var breaks = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// plain is the text of a cell as UTF-8 can have it, with line breaks of one kind.
func plain(cell string) string {
	return breaks.Replace(strings.ToValidUTF8(cell, string(unicode.ReplacementChar)))
}

// The characters that the OWASP lists: with one of formula a formula begins, also in their
// wide and small forms, which Excel takes for the same. One of leading is dangerous as the
// first character of a cell, because a spreadsheet drops it and takes the next one for the
// first.
const (
	formula = "=+-@＝＋－＠﹦﹢﹣﹫"
	leading = "\t\r\n\x00"
)

// separators are characters that begin a new cell where a spreadsheet is set up
// otherwise: in most of Europe Excel separates cells by semicolons and not by commas, and
// then the quotes around a cell with commas do not protect it as a whole.
const separators = ",;\t|\n"

// guard puts an apostrophe before every character with which a formula might begin: at the
// beginning of the cell and after each separator in it, where white space, quotes and
// invisible characters do not count. It does so too if an apostrophe is there already,
// so that the cell can be computed from what guard returns: one apostrophe less before
// each of these characters.
func guard(cell string) string {
	var guarded strings.Builder
	begins, first := true, true // first: only apostrophes came before
	for _, r := range cell {
		if begins && strings.ContainsRune(formula, r) || first && strings.ContainsRune(leading, r) {
			guarded.WriteByte('\'')
		}
		guarded.WriteRune(r)
		begins = strings.ContainsRune(separators, r) || begins && passedOver(r)
		first = first && r == '\''
	}
	return guarded.String()
}

// passedOver reports whether a cell may begin after a character as it would without it.
func passedOver(r rune) bool {
	return r == '\'' || r == '"' || unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r)
}
