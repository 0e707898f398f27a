package importing

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
)

// ReadUPNs reads a CSV of UPNs: those in the column with the heading userPrincipalName or
// UPN, or in the first column if there is no such heading. The separator is a comma, a
// semicolon or a tab; empty rows are left out. A row with something else in it but no UPN is
// refused, because nobody may be left out silently.
func ReadUPNs(body []byte) ([]directory.UPN, error) {
	text := bytes.TrimPrefix(body, []byte("\uFEFF"))
	reader := csv.NewReader(bytes.NewReader(text))
	reader.FieldsPerRecord, reader.Comma = -1, separator(text)
	reader.TrimLeadingSpace = reader.Comma != '\t' // it would take empty cells for spaces
	var upns []directory.UPN
	for column, heading := 0, true; ; heading = false {
		cells, err := nextRow(reader)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, notUPNs("body", "the body is not CSV: "+err.Error())
		}
		if at := slices.IndexFunc(cells, isHeading); heading && at >= 0 {
			column = at
			continue
		}
		upn := ""
		if column < len(cells) {
			upn = strings.TrimSpace(cells[column])
		}
		line, _ := reader.FieldPos(min(column, len(cells)-1))
		switch {
		case upn == "":
			return nil, notUPNs(fmt.Sprintf("line %d", line), fmt.Sprintf("the row in line %d has no UPN", line))
		case strings.Count(upn, "@") != 1:
			return nil, notUPNs(fmt.Sprintf("line %d", line), fmt.Sprintf("%.100q in line %d is not a UPN: it needs one @", upn, line))
		}
		upns = append(upns, directory.UPN(upn))
	}
	if len(upns) == 0 {
		return nil, notUPNs("body", "the CSV has no UPN")
	}
	return upns, nil
}

// notUPNs is the fault about a CSV.
func notUPNs(subject, message string) error {
	return &fault.Error{Op: "importing.read upns", Kind: fault.Invalid, Subject: subject, Message: message}
}

// separator is what stands between the cells of a CSV: whichever of the separators its first
// row has most of outside quotes; a comma if it has none.
func separator(text []byte) rune {
	separators := []rune{',', ';', '\t'}
	counts := make([]int, len(separators))
	quoted := false
	for _, r := range string(bytes.TrimLeft(text, "\r\n")) {
		switch at := slices.Index(separators, r); {
		case r == '"':
			quoted = !quoted
		case quoted:
		case r == '\n':
			return separators[slices.Index(counts, slices.Max(counts))]
		case at >= 0:
			counts[at]++
		}
	}
	return separators[slices.Index(counts, slices.Max(counts))]
}

// nextRow reads the next row that is not empty; io.EOF after the last one.
func nextRow(from *csv.Reader) ([]string, error) {
	for {
		cells, err := from.Read()
		if err != nil || slices.ContainsFunc(cells, func(cell string) bool { return strings.TrimSpace(cell) != "" }) {
			return cells, err
		}
	}
}

// isHeading reports whether a cell is the heading of the column of UPNs.
func isHeading(cell string) bool {
	name := strings.ToLower(strings.TrimSpace(cell))
	return name == "userprincipalname" || name == "upn" || name == "user principal name"
}
