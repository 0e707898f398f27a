package importing_test

import (
	"slices"
	"strings"
	"testing"

	"entrasync/shared/directory"
	"entrasync/shared/fault"
	"entrasync/shared/importing"
)

// A CSV is read as spreadsheets write it; a row without a name is refused with its line.
func TestReadUPNs(t *testing.T) {
	for name, tc := range map[string]struct {
		csv  string
		want string // the names, or with a ! before it what the refusal says
	}{
		"one column":                    {"ann@contoso.example\nbob@contoso.example\n", "ann@contoso.example bob@contoso.example"},
		"no end of the last line":       {"ann@contoso.example", "ann@contoso.example"},
		"ends of lines of Windows":      {"ann@contoso.example\r\nbob@contoso.example\r\n", "ann@contoso.example bob@contoso.example"},
		"a byte order mark":             {"\uFEFFUPN\nann@contoso.example\n", "ann@contoso.example"},
		"a byte order mark, no heading": {"\uFEFFann@contoso.example\n", "ann@contoso.example"},
		"a byte order mark and quotes":  {"\uFEFF\"UPN\"\n\"ann@contoso.example\"\n", "ann@contoso.example"},
		"semicolons":                    {"name;upn\nAnn;ann@contoso.example\n", "ann@contoso.example"},
		"tabs":                          {"name\tupn\nAnn\tann@contoso.example\n", "ann@contoso.example"},
		"tabs and an empty cell":        {"name\tupn\n\tann@contoso.example\n", "ann@contoso.example"},
		"commas and an empty cell":      {"name,upn\n,ann@contoso.example\n", "ann@contoso.example"},
		"a separator in quotes":         {"\"name; first\",upn\nAnn,ann@contoso.example\n", "ann@contoso.example"},
		"a comma in quotes":             {"name,upn\n\"Lee, Ann\",ann@contoso.example\n", "ann@contoso.example"},
		"a line break in quotes":        {"upn,note\nann@contoso.example,\"one\ntwo\"\nbob@contoso.example,\n", "ann@contoso.example bob@contoso.example"},
		"a heading in the first column": {"UserPrincipalName,name\nann@contoso.example,Ann\n", "ann@contoso.example"},
		"a heading in the last column":  {"id,name,User Principal Name\n1,Ann,ann@contoso.example\n", "ann@contoso.example"},
		"a heading with spaces":         {"name, UPN \nAnn, ann@contoso.example \n", "ann@contoso.example"},
		"rows of other lengths":         {"upn,name\nann@contoso.example\nbob@contoso.example,Bob,more\n", "ann@contoso.example bob@contoso.example"},
		"empty rows":                    {"\nupn\n\n  \nann@contoso.example\n\n,,\n", "ann@contoso.example"},
		"an apostrophe":                 {"upn\nd'arc.o'neil@contoso.example\n", "d'arc.o'neil@contoso.example"},
		"a name twice":                  {"ann@contoso.example\nANN@contoso.example\n", "ann@contoso.example ANN@contoso.example"},
		"our own results":               {"status,message,email,username,firstname,lastname,userPrincipalName,id,userId\nfailed,why,a@b.example,ann,Ann,Lee,ann@contoso.example,1,2\n", "ann@contoso.example"},
		"other letters":                 {"upn\njürgen@bücher.example\n", "jürgen@bücher.example"},
		"nothing":                       {"", "!has no UPN"},
		"only a heading":                {"upn\n", "!has no UPN"},
		"only empty rows":               {"\n \n,\n", "!has no UPN"},
		"a heading that is another":     {"name\nann@contoso.example\n", `!"name" in line 1`},
		"a row that is none":            {"upn\nann@contoso.example\nbob\n", `!"bob" in line 3`},
		"two @":                         {"ann@@contoso.example\n", "!line 1"},
		"two names in a cell":           {"upn\nann@contoso.example bob@contoso.example\n", "!line 2"},
		"a row without the name":        {"name,upn\nAnn,ann@contoso.example\nBob,\n", "!line 3 has no UPN"},
		"a row that is too short":       {"name,upn\nAnn,ann@contoso.example\nBob\n", "!line 3 has no UPN"},
		"a line after a line break":     {"upn,note\nann@contoso.example,\"one\ntwo\"\nbob,\n", "!line 4"},
		"quotes that do not end":        {"upn\n\"ann@contoso.example\n", "!not CSV"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := importing.ReadUPNs([]byte(tc.csv))
			if says, refused := strings.CutPrefix(tc.want, "!"); refused {
				if !fault.Is(err, fault.Invalid) || !strings.Contains(fault.Of(err).Message, says) {
					t.Errorf("%q: %q, %v, want a refusal with %q", tc.csv, got, err, says)
				}
				return
			}
			var want []directory.UPN
			for _, upn := range strings.Fields(tc.want) {
				want = append(want, directory.UPN(upn))
			}
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%q: %q, %v, want %q", tc.csv, got, err, want)
			}
		})
	}
}

// A message names its import.
func TestReadJob(t *testing.T) {
	if job, err := importing.ReadJob([]byte(`{"importId":"1"}`)); err != nil || job.Import != "1" {
		t.Errorf("%+v, %v, want 1", job, err)
	}
	for _, body := range []string{"", "{}", `{"importId":""}`, `{"importId":1}`, "1"} {
		if job, err := importing.ReadJob([]byte(body)); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %+v, %v, want a refusal", body, job, err)
		}
	}
}
