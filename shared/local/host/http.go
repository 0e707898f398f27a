package host

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

// maxRequest is the largest body that API Gateway accepts, in bytes (Amazon API Gateway
// quotas).
const maxRequest = 10 << 20

// MaxBodies is how many requests with a body are in memory at once, while they are read
// and while their function runs. Together with the largest body that a function accepts,
// and the copies of it, it limits the memory that all callers can use. Further requests
// wait for bodyPatience, and are then refused with 503.
const (
	MaxBodies    = 16
	bodyPatience = 5 * time.Second
)

// HTTP serves a function as API Gateway's HTTP API does, with payload format 2.0. The
// response to a failed invocation is a 503, so that callers try again.
func (h *Host) HTTP(f Function) http.Handler {
	if f.MaxBody == 0 {
		f.MaxBody = maxRequest
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		event := requestOf(r)
		refusal := h.admit(f, event, r.ContentLength)
		if refusal == nil && r.ContentLength != 0 {
			var release func()
			if release, refusal = h.reserve(r.Context()); refusal == nil {
				defer release()
				refusal = h.read(f, w, r, &event)
			}
		}
		if refusal != nil {
			h.refuse(w, r, *refusal)
			return
		}
		ctx, cancel := h.invocation(f)
		defer cancel()
		response, err := invoke[events.APIGatewayV2HTTPRequest, events.APIGatewayV2HTTPResponse](ctx, h, f, event)
		if err != nil {
			h.log.Error().Err(err).Str("path", event.RawPath).Msg("an invocation failed")
			response = failed()
		}
		h.write(w, response)
	})
}

// admit returns nil if the function admits the request and the body is not too large, or
// else the response that refuses it.
func (h *Host) admit(f Function, event events.APIGatewayV2HTTPRequest, size int64) *events.APIGatewayV2HTTPResponse {
	if f.Admit != nil {
		if response, admitted := h.callAdmit(f, event, size); !admitted {
			return &response
		}
	}
	if size > f.MaxBody {
		response := problem(http.StatusRequestEntityTooLarge, fmt.Sprintf("the body has more than %d bytes", f.MaxBody))
		return &response
	}
	return nil
}

// callAdmit calls Admit. If Admit panics, the request is not admitted.
func (h *Host) callAdmit(f Function, event events.APIGatewayV2HTTPRequest, size int64) (response events.APIGatewayV2HTTPResponse, admitted bool) {
	ctx, cancel := h.invocation(f)
	defer cancel()
	var err error
	func() {
		defer h.survive(f, &err)
		response, admitted = f.Admit(ctx, event, size)
	}()
	if err != nil {
		return failed(), false
	}
	return response, admitted
}

// reserve waits until one more body may be in memory.
func (h *Host) reserve(ctx context.Context) (release func(), refusal *events.APIGatewayV2HTTPResponse) {
	timer := time.NewTimer(bodyPatience)
	defer timer.Stop()
	select {
	case h.bodies <- struct{}{}:
		return func() { <-h.bodies }, nil
	case <-timer.C:
	case <-ctx.Done():
	}
	response := problem(http.StatusServiceUnavailable, "too many requests at once: try again")
	response.Headers["Retry-After"] = "1"
	return nil, &response
}

// read reads the body into the event, at most as much as the function accepts.
func (h *Host) read(f Function, w http.ResponseWriter, r *http.Request, event *events.APIGatewayV2HTTPRequest) *events.APIGatewayV2HTTPResponse {
	var body strings.Builder
	if r.ContentLength > 0 {
		body.Grow(int(r.ContentLength))
	}
	_, err := io.Copy(&body, http.MaxBytesReader(w, r.Body, f.MaxBody))
	var tooLarge *http.MaxBytesError
	var broken net.Error
	switch {
	case errors.As(err, &tooLarge):
		return h.admit(f, *event, f.MaxBody+1)
	case errors.As(err, &broken) && broken.Timeout():
		response := problem(http.StatusRequestTimeout, "the body came too slowly")
		return &response
	case err != nil:
		response := problem(http.StatusBadRequest, "the body broke off")
		return &response
	}
	setBody(event, body.String())
	return nil
}

// refuse responds to a request without reading its body, and closes the connection. Before
// that it discards up to 20 MiB of the body, because a caller that is still sending would
// get a broken connection instead of the response.
func (h *Host) refuse(w http.ResponseWriter, r *http.Request, response events.APIGatewayV2HTTPResponse) {
	w.Header().Set("Connection", "close")
	control := http.NewResponseController(w)
	linger := r.ContentLength != 0 && r.Header.Get("Expect") == "" && control.EnableFullDuplex() == nil
	h.write(w, response)
	if !linger || control.Flush() != nil {
		return
	}
	if _, err := io.CopyN(io.Discard, r.Body, 2*maxRequest); err != nil && !errors.Is(err, io.EOF) {
		h.log.Debug().Err(err).Msg("a refused body broke off")
	}
}

// write sends a function's response.
func (h *Host) write(w http.ResponseWriter, response events.APIGatewayV2HTTPResponse) {
	body := []byte(response.Body)
	if response.IsBase64Encoded {
		var err error
		if body, err = base64.StdEncoding.DecodeString(response.Body); err != nil {
			h.log.Error().Err(err).Msg("a function's answer cannot be decoded")
			response = failed()
			body = []byte(response.Body)
		}
	}
	for name, value := range response.Headers {
		w.Header().Set(name, value)
	}
	for name, values := range response.MultiValueHeaders {
		w.Header()[http.CanonicalHeaderKey(name)] = values
	}
	for _, cookie := range response.Cookies {
		w.Header().Add("Set-Cookie", cookie)
	}
	w.WriteHeader(response.StatusCode)
	if _, err := w.Write(body); err != nil {
		h.log.Debug().Err(err).Msg("the caller went away")
	}
}

// failed is the response if a function returned none.
func failed() events.APIGatewayV2HTTPResponse {
	return problem(http.StatusServiceUnavailable, "the request failed for a reason of ours: try again")
}

// problem is a response with a problem document (RFC 9457).
func problem(status int, detail string) events.APIGatewayV2HTTPResponse {
	body, err := json.Marshal(map[string]any{"title": http.StatusText(status), "status": status, "detail": detail})
	if err != nil {
		body = nil
	}
	return events.APIGatewayV2HTTPResponse{StatusCode: status, Headers: map[string]string{"Content-Type": "application/problem+json"}, Body: string(body)}
}
