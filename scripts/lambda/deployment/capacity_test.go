package deployment

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestWriteUnits(t *testing.T) {
	long := strings.Repeat("x", 1500)
	for name, tc := range map[string]struct {
		operation, body string
		want            float64
	}{
		"a small item":              {"PutItem", `{"Item":{"pk":{"S":"a"}}}`, 1},
		"an item of 2 KB":           {"PutItem", `{"Item":{"pk":{"S":"` + long + `"}}}`, 2},
		"one in the index":          {"PutItem", `{"Item":{"pk":{"S":"a"},"ipk":{"S":"b"}}}`, 2},
		"a deletion":                {"DeleteItem", `{}`, 1},
		"a read":                    {"Query", `{}`, 0},
		"two items together":        {"TransactWriteItems", `{"TransactItems":[{"Put":{"Item":{"pk":{"S":"a"}}}},{"Delete":{"Key":{"pk":{"S":"a"}}}}]}`, 4},
		"2 KB in the index as well": {"TransactWriteItems", `{"TransactItems":[{"Put":{"Item":{"pk":{"S":"` + long + `"},"ipk":{"S":"b"}}}}]}`, 6},
	} {
		var w writing
		if err := json.Unmarshal([]byte(tc.body), &w); err != nil {
			t.Fatal(err)
		}
		if got := w.units(tc.operation); got != tc.want {
			t.Errorf("%s: %v units, want %v", name, got, tc.want)
		}
	}
}

func TestConsumedInBothForms(t *testing.T) {
	for _, text := range []string{`{"TableName":"t","CapacityUnits":1.5}`, `[{"CapacityUnits":1},{"CapacityUnits":0.5}]`} {
		var c consumed
		if err := json.Unmarshal([]byte(text), &c); err != nil {
			t.Fatal(err)
		}
		var sum float64
		for _, each := range c {
			sum += each.CapacityUnits
		}
		if sum != 1.5 {
			t.Errorf("%s: %v units, want 1.5", text, sum)
		}
	}
}
