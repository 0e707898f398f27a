package host

import (
	"context"
	"log"
	"net/http"
	"strings"
	"time"

	"github.com/rs/zerolog"
)

// What a caller may take. A request has to be there within requestTime, its
// headers within headerTime; one that comes more slowly is cut. The headers are
// those of API Gateway (Amazon API Gateway quotas: request line and header values
// together), to which net/http adds 4 KiB.
const (
	headerTime  = 10 * time.Second
	requestTime = 30 * time.Second
	answerTime  = 2 * time.Minute
	idleTime    = 2 * time.Minute
	maxHeaders  = 10240
)

// NewServer is an HTTP server that no slow caller can hold up and no long header
// can fill. What net/http has to say, such as a handler's panic, goes to the log.
func NewServer(handler http.Handler, logger zerolog.Logger) *http.Server {
	return &http.Server{
		Handler: handler, ErrorLog: log.New(complaints{logger}, "", 0), MaxHeaderBytes: maxHeaders,
		ReadHeaderTimeout: headerTime, ReadTimeout: requestTime, WriteTimeout: answerTime, IdleTimeout: idleTime,
	}
}

// EndServer lets requests end that are under way, and breaks off what is left
// after a time: mostly connections that were opened and never used.
func EndServer(server *http.Server, within time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return server.Close()
	}
	return nil
}

// complaints turns each text of a standard logger into a line of ours.
type complaints struct{ log zerolog.Logger }

// Write implements io.Writer.
func (c complaints) Write(text []byte) (int, error) {
	c.log.Warn().Msg(strings.TrimSpace(string(text)))
	return len(text), nil
}
