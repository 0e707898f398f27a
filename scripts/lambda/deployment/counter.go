package deployment

import (
	"errors"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"

	"entrasync/shared/fault"
)

// Usage is how much of AWS was used.
type Usage struct {
	// Requests are counted by operation, such as SQS.SendMessage.
	Requests map[string]int
	// EmptyReceives are the calls of SQS.ReceiveMessage without a message in the answer. On
	// AWS their number depends on time, not on messages. Here it depends on messages too:
	// the server answers all waiting calls when one message arrives.
	EmptyReceives int
	// ReadUnits and WriteUnits are the capacity of DynamoDB that was used.
	ReadUnits, WriteUnits float64
}

// counter is a proxy in front of the services that counts requests.
type counter struct {
	mu        sync.Mutex
	usage     Usage
	servers   []*http.Server
	postponed postponed
}

// front starts a proxy of a server and returns its URL.
func (c *counter) front(server string) (string, error) {
	to, err := url.Parse(server)
	if err != nil {
		return "", fault.Wrap(err, fault.Invalid, "deployment.count")
	}
	proxy := httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Host = r.In.Host
		},
		ModifyResponse: c.answered,
		// A process that was killed leaves long polls behind: no error worth a line.
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	return c.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.count(r.Header.Get("X-Amz-Target"))
		if err := errors.Join(c.postponed.note(r), c.metered(r)); err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
}

// serve serves a handler on a free port until close.
func (c *counter) serve(handler http.Handler) (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fault.Wrap(err, fault.Transient, "deployment.serve")
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	c.servers = append(c.servers, server)
	go func() { _ = server.Serve(listener) }() // http.ErrServerClosed, when we close it
	return "http://" + listener.Addr().String(), nil
}

// count counts a request; target is AmazonSQS.SendMessage, for example.
func (c *counter) count(target string) {
	service, operation, _ := strings.Cut(target, ".")
	service, _, _ = strings.Cut(service, "_") // DynamoDB_20120810
	name := strings.TrimPrefix(strings.TrimPrefix(service, "Amazon"), "AWS") + "." + operation
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.usage.Requests == nil {
		c.usage.Requests = map[string]int{}
	}
	c.usage.Requests[name]++
}

// since is the usage since the last call.
func (c *counter) since() Usage {
	c.mu.Lock()
	defer c.mu.Unlock()
	usage := c.usage
	c.usage = Usage{}
	return usage
}

// close ends every server.
func (c *counter) close() error {
	var errs []error
	for _, server := range c.servers {
		errs = append(errs, server.Close())
	}
	return errors.Join(errs...)
}
