package spreadsheet

import (
	"encoding/csv"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"entrasync/shared/fault"
)

// written is the table as it is written.
func written(t testing.TB, rows ...[]string) string {
	t.Helper()
	var text strings.Builder
	w, err := NewWriter(&text, rows[0]...)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows[1:] {
		if err := w.Write(row...); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

func TestTheTableIsRFC4180(t *testing.T) {
	got := written(t, []string{"name", "message"}, []string{"O'Brien, Ann", `says "no"`}, []string{"مريم", "two\nlines"}, []string{"", ""})
	want := "\uFEFFname,message\r\n\"O'Brien, Ann\",\"says \"\"no\"\"\"\r\nمريم,\"two\r\nlines\"\r\n,\r\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
}

func TestFormulasAreGuarded(t *testing.T) {
	for cell, want := range map[string]string{
		"":                     "",
		"ann@example.com":      "ann@example.com",
		"Smith-Jones":          "Smith-Jones",
		"=1+1":                 "'=1+1",
		"+49 151 23456":        "'+49 151 23456",
		"-1":                   "'-1",
		"@SUM(A1)":             "'@SUM(A1)",
		"\t=1":                 "'\t'=1",
		"\x00=1":               "'\x00'=1",
		"\r=1":                 "'\n'=1",
		"＝1":                   "'＝1",
		"＋1":                   "'＋1",
		"－1":                   "'－1",
		"＠a":                   "'＠a",
		"﹦1":                   "'﹦1",
		"  =1":                 "  '=1",
		"\u200B=1":             "\u200B'=1",
		"\uFEFF=1":             "\uFEFF'=1",
		`"=1"`:                 `"'=1"`,
		"'=1":                  "''=1",
		"'quoted'":             "'quoted'",
		"a;=1":                 "a;'=1",
		"a, -b":                "a, '-b",
		"a\n=1":                "a\n'=1",
		"a - b = c":            "a - b = c",
		"\u202Eabc":            "\u202Eabc",
		"bad \xff bytes":       "bad \uFFFD bytes",
		"line\r\nline\rline\n": "line\nline\nline\n",
	} {
		if got := guard(plain(cell)); got != want {
			t.Errorf("%q: got %q, want %q", cell, got, want)
		}
	}
}

// unguarded is the cell that guard was given.
func unguarded(cell string) string {
	var text strings.Builder
	runes := []rune(cell)
	begins, first := true, true
	for i, r := range runes {
		if next := i + 1; r == '\'' && next < len(runes) && (begins && strings.ContainsRune(formula, runes[next]) || first && strings.ContainsRune(leading, runes[next])) {
			continue
		}
		text.WriteRune(r)
		begins = strings.ContainsRune(separators, r) || begins && passedOver(r)
		first = first && r == '\''
	}
	return text.String()
}

func TestTheRowsReadBack(t *testing.T) {
	cell := rapid.OneOf(rapid.String(), rapid.StringOf(rapid.SampledFrom([]rune("=+-@'\",;\t\r\n \x00aé＝م"))))
	rapid.Check(t, func(t *rapid.T) {
		columns := rapid.IntRange(2, 5).Draw(t, "columns")
		rows := rapid.SliceOfN(rapid.SliceOfN(cell, columns, columns), 1, 5).Draw(t, "rows")
		var text strings.Builder
		w, err := NewWriter(&text, rows[0]...)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows[1:] {
			if err := w.Write(row...); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		content, marked := strings.CutPrefix(text.String(), "\uFEFF")
		if !marked {
			t.Fatalf("got %q, want a byte order mark first", text.String())
		}
		got, err := csv.NewReader(strings.NewReader(content)).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		want := make([][]string, len(rows))
		for i, row := range rows {
			for j, each := range row {
				want[i] = append(want[i], plain(each))
				if got[i][j] = unguarded(got[i][j]); strings.ContainsAny(got[i][j], "\r") {
					t.Fatalf("got %q, want line breaks of one kind", got[i][j])
				}
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("rows (-want +got):\n%s", diff)
		}
	})
}

// full is a writer that takes nothing.
type full struct{}

var errFull = errors.New("no space left on device")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestWhatCannotBeWrittenIsReported(t *testing.T) {
	if _, err := NewWriter(full{}, "a", "b"); !errors.Is(err, errFull) {
		t.Errorf("got %v, want %v", err, errFull)
	}
	if _, err := NewWriter(&strings.Builder{}, "a"); !fault.Is(err, fault.Internal) {
		t.Errorf("a table of one column: got %v, want kind %s", err, fault.Internal)
	}
	w, err := NewWriter(&strings.Builder{}, "a", "b")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write("one"); !fault.Is(err, fault.Internal) {
		t.Errorf("a row that is too short: got %v, want kind %s", err, fault.Internal)
	}
}
