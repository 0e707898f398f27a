package deployment

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
)

// isDynamoDB reports whether a request goes to DynamoDB.
func isDynamoDB(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("X-Amz-Target"), dynamoDB.target)
}

// metered counts the write units of a request to DynamoDB, and adds to it that the answer
// has the read units. That changes the body, which the server on this machine allows: it
// does not check signatures. Its figure for writes in a transaction is too low, so that
// the write units are computed here.
func (c *counter) metered(r *http.Request) error {
	if !isDynamoDB(r) {
		return nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return err
	}
	var written writing
	if err := json.Unmarshal(body, &written); err != nil {
		return err
	}
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	c.mu.Lock()
	c.usage.WriteUnits += written.units(operation)
	c.mu.Unlock()
	fields["ReturnConsumedCapacity"] = json.RawMessage(`"TOTAL"`)
	if body, err = json.Marshal(fields); err != nil {
		return err
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return nil
}

// item is an item as DynamoDB's JSON has it.
type item map[string]struct {
	S, N string
	B    []byte
}

// writing is what a request writes.
type writing struct {
	Item          item
	TransactItems []struct {
		Put, Delete, ConditionCheck *struct{ Item item }
	}
}

// unitBytes is how many bytes of an item one write unit covers.
const unitBytes = 1024

// units are the write units of an operation (Amazon DynamoDB documentation, read
// and write capacity: one for each KB of an item, two in a transaction, and one
// for each KB that an index has to write).
func (w writing) units(operation string) float64 {
	switch operation {
	case "PutItem":
		return w.Item.units(1)
	case "UpdateItem", "DeleteItem":
		return 1
	}
	var sum float64
	for _, each := range w.TransactItems {
		switch {
		case each.Put != nil:
			sum += each.Put.Item.units(2)
		case each.Delete != nil:
			sum += 2
		}
	}
	return sum
}

// units are the write units of putting an item; price are those of the table for one KB.
func (i item) units(price int) float64 {
	size := 0
	for name, value := range i {
		size += len(name) + len(value.S) + len(value.N) + len(value.B)
	}
	kilobytes := (size + unitBytes - 1) / unitBytes
	if _, indexed := i["ipk"]; indexed {
		price++
	}
	return float64(kilobytes * price)
}

// consumed is the ConsumedCapacity of an answer: of one table, or a list of several.
type consumed []struct{ CapacityUnits float64 }

// UnmarshalJSON takes either form.
func (c *consumed) UnmarshalJSON(text []byte) error {
	if !bytes.HasPrefix(text, []byte("[")) {
		text = append(append([]byte("["), text...), ']')
	}
	var list []struct{ CapacityUnits float64 }
	err := json.Unmarshal(text, &list)
	*c = list
	return err
}

// answered counts, from an answer, the read units of DynamoDB and the receives without a
// message.
func (c *counter) answered(response *http.Response) error {
	target := response.Request.Header.Get("X-Amz-Target")
	receive := target == sqs.target+".ReceiveMessage"
	if !receive && !isDynamoDB(response.Request) {
		return nil
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	var answer struct {
		ConsumedCapacity consumed
		Messages         []json.RawMessage
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if receive && len(answer.Messages) == 0 && response.StatusCode == http.StatusOK {
		c.usage.EmptyReceives++
	}
	if strings.HasSuffix(target, "GetItem") || strings.HasSuffix(target, ".Query") {
		for _, each := range answer.ConsumedCapacity {
			c.usage.ReadUnits += each.CapacityUnits
		}
	}
	return nil
}
