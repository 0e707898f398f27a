// Package goldentest checks the formats of stored data: a golden file has the JSON of
// each record of the table and each message of a queue. The next version must read what
// is stored today, and so must the last version after a rollback. So fields may be
// added, but never renamed or given another meaning, and the zero value of a new field
// means the same as a missing field.
package goldentest

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// update makes the tests write the files again, for fields that were added.
var update = flag.Bool("update", false, "write the golden files anew")

// Filled returns a value of a type in which every stored field has a value of its own,
// so that no field can be forgotten.
func Filled[T any]() T {
	var value T
	n := 0
	fill(reflect.ValueOf(&value).Elem(), "", &n)
	return value
}

// fill sets a value; name is the name of the field.
func fill(v reflect.Value, name string, n *int) {
	*n++
	switch v.Kind() {
	case reflect.String:
		v.SetString(name)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Float64:
		v.SetFloat(float64(*n))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), name, n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), name, n)
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key, name, n)
		fill(value, name, n)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Date(2026, 1, 1, 0, 0, *n, 0, time.UTC)))
			return
		}
		for i := range v.NumField() {
			field := v.Type().Field(i)
			if field.IsExported() && field.Tag.Get("json") != "-" {
				fill(v.Field(i), field.Name, n)
			}
		}
	}
}

// Kept fails unless the file testdata/NAME.json decodes to the value, so that values of
// earlier versions can be read. It also fails if the value would be stored differently,
// for example with a new field: then write the file again with the flag -update and
// check its difference.
func Kept[T any](t *testing.T, name string, value T) {
	t.Helper()
	path := filepath.Join("testdata", name+".json")
	stored, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	stored = append(stored, '\n')
	if *update {
		if err := os.WriteFile(path, stored, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var read T
	decoder := json.NewDecoder(bytes.NewReader(kept))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&read); err != nil {
		t.Errorf("%s is not understood any more: %v", path, err)
		return
	}
	if diff := cmp.Diff(value, read, cmp.Exporter(func(reflect.Type) bool { return true })); diff != "" {
		t.Errorf("%s is read otherwise than it was stored (-stored +read):\n%s", path, diff)
	}
	if diff := cmp.Diff(string(kept), string(stored)); diff != "" {
		t.Errorf("%s is stored otherwise now (-before +now); a field that was added is accepted by -update:\n%s", path, diff)
	}
}
